#pragma once

#include <stop_token>
#include <variant>

#include "envtool/download/fetcher.hpp"
#include "failure.hpp"

namespace envtool {

/// Serves a request from a `file://` URL: a source that cannot be read or does not match is a
/// `Failure`; trouble with the target throws `Error`. The ETag is made of size and change time.
std::variant<FetchResult, Failure> fetch_local(const FetchRequest& request, const Url& url,
                                               std::stop_token stop);

}  // namespace envtool
