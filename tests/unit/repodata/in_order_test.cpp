#include "in_order.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <stdexcept>
#include <string>

using namespace envtool;

TEST_CASE("Results come in their order, however many threads make them") {
  for (const unsigned threads : {0U, 1U, 2U, 5U}) {
    for (const std::size_t count : {0U, 1U, 3U, 500U}) {
      std::atomic<std::size_t> made = 0;
      std::size_t used = 0;
      make_in_order(
          count, threads, [&](std::size_t i) { ++made; return std::to_string(i); },
          [&](std::size_t i, const std::string& text) {
            CHECK(i == used++);
            CHECK(text == std::to_string(i));
          });
      CHECK(made == count);
      CHECK(used == count);
    }
  }
}

TEST_CASE("The first failure in order comes out, and nothing behind it is used") {
  for (const unsigned threads : {1U, 4U}) {
    std::size_t used = 0;
    const auto make = [](std::size_t i) {
      if (i == 40 || i == 60) throw std::runtime_error(std::to_string(i));
      return i;
    };
    CHECK_THROWS_WITH(make_in_order(100, threads, make, [&](std::size_t, std::size_t) { ++used; }), "40");
    CHECK(used == 40);
    const auto refuse = [](std::size_t i, std::size_t) {
      if (i == 7) throw std::runtime_error("use");
    };
    CHECK_THROWS_WITH(make_in_order(100, threads, [](std::size_t i) { return i; }, refuse), "use");
  }
}
