#pragma once

#include <optional>
#include <string>

#include "envtool/download/fetcher.hpp"
#include "failure.hpp"
#include "part_file.hpp"

namespace envtool {

/// What a request is about, for messages: its label or file name in backticks.
std::string describe(const FetchRequest& request);
/// The most bytes that its body may have.
std::uint64_t body_limit(const FetchRequest& request);
DigestChoice digests_to_check(const FetchRequest& request);

/// The failure for a body longer than `body_limit`.
Failure too_long(const FetchRequest& request, const Url& url);
/// Compares a complete body with the size and digests that the request names. Nothing when all is
/// well; a short body is `Remedy::retry` (the rest may follow), wrong content `Remedy::refetch`.
std::optional<Failure> verify_part(const FetchRequest& request, const Url& url, PartFile& part);
std::optional<Failure> verify_body(const FetchRequest& request, const Url& url, const std::string& body);

}  // namespace envtool
