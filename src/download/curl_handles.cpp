#include "curl_handles.hpp"

#include <new>

#include "envtool/base/error.hpp"

namespace envtool {

namespace {

void initialise_curl() {
  // A static local is initialised once, also with several threads; libcurl stays up until exit.
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (code != CURLE_OK) {
    throw Error("cannot initialise libcurl", ErrorKind::internal).because(curl_easy_strerror(code));
  }
}

}  // namespace

void CurlHeaders::add(const std::string& line) {
  curl_slist* longer = curl_slist_append(list_.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  list_.release();
  list_.reset(longer);
}

CurlEasy make_curl_easy() {
  initialise_curl();
  CurlEasy handle(curl_easy_init());
  if (!handle) throw Error("cannot create a libcurl handle", ErrorKind::internal);
  return handle;
}

CurlMulti make_curl_multi() {
  initialise_curl();
  CurlMulti handle(curl_multi_init());
  if (!handle) throw Error("cannot create a libcurl handle", ErrorKind::internal);
  return handle;
}

}  // namespace envtool
