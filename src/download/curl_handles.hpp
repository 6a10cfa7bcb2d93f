#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

namespace envtool {

struct CurlEasyDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CurlMultiDeleter {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct CurlListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

using CurlEasy = std::unique_ptr<CURL, CurlEasyDeleter>;
using CurlMulti = std::unique_ptr<CURLM, CurlMultiDeleter>;

/// Header lines of a request.
class CurlHeaders {
 public:
  void add(const std::string& line);
  curl_slist* get() const { return list_.get(); }

 private:
  std::unique_ptr<curl_slist, CurlListDeleter> list_;
};

/// New handles; throw `Error` (internal) when libcurl has none. The library itself is initialised
/// once, on first use.
CurlEasy make_curl_easy();
CurlMulti make_curl_multi();

}  // namespace envtool
