#include <catch2/catch.hpp>
#include <random>

#include "envtool/base/error.hpp"
#include "envtool/specs/match_spec.hpp"

using namespace envtool;

namespace {

/// Makes random texts: valid pieces put together, then sometimes broken.
class Generator {
 public:
  explicit Generator(unsigned seed) : engine_(seed) {}

  std::string spec() {
    std::string out = pick({"", "", "", "conda-forge::", "a/b/linux-64::", "*/noarch::", "https://h.org/c::", "conda-*::",
                            "x:ns:", "/tmp/c::"});
    out += pick({"numpy", "a", "_x.y-z", "py*", "*", "^a[bc]$", "FOO"});
    switch (number(5)) {
      case 0:
        out += " " + constraint() + pick({"", " ", " py*", " h1_0", " *", " ^a.*$"});
        break;
      case 1:
        out += "=" + version() + pick({"", "=b", "=*x*", "=^b$"});
        break;
      case 2:
        out += pick({"==", ">=", "<", "!=", "~="}) + version() + pick({"", "=b", "=*"});
        break;
      default:
        break;
    }
    if (number(2) == 0) {
      out += pick({"[", " ["}) + field();
      while (number(2) == 0) {
        out += pick({",", ", ", " "}) + field();
      }
      out += "]";
    }
    return out;
  }

  std::string broken(std::string text) {
    static const std::string noise = "[]()'\",|=<>!~*^$\\ :/#._-a1";
    for (int i = number(4); i >= 0 && !text.empty(); --i) {
      const std::size_t at = static_cast<std::size_t>(number(static_cast<int>(text.size())));
      const char c = noise[static_cast<std::size_t>(number(static_cast<int>(noise.size())))];
      switch (number(3)) {
        case 0:
          text.erase(at, 1);
          break;
        case 1:
          text.insert(at, 1, c);
          break;
        default:
          text[at] = c;
      }
    }
    return text;
  }

 private:
  int number(int below) { return static_cast<int>(engine_() % static_cast<unsigned>(below)); }
  std::string pick(std::initializer_list<const char*> choices) {
    return *(choices.begin() + number(static_cast<int>(choices.size())));
  }
  std::string version() {
    return pick({"1", "1.8", "2.0.0a1", "1!3.4", "1.0_", "2024a", "1.2+local.3", "0.0.dev1", "1-2"});
  }
  std::string clause() {
    switch (number(4)) {
      case 0:
        return version() + pick({"", ".*", "*"});
      case 1:
        return pick({"*", "*.1", "1.*.3", "^1\\..*$", "!=1.*.3"});
      default:
        return pick({"==", "=", "!=", "<", "<=", ">", ">=", "~="}) + pick({"", " "}) + version();
    }
  }
  std::string constraint(int depth = 0) {
    std::string out = depth < 3 && number(4) == 0 ? "(" + constraint(depth + 1) + ")" : clause();
    while (number(3) == 0) {
      out += pick({",", "|", " , ", "| "}) + (depth < 3 && number(4) == 0 ? "(" + constraint(depth + 1) + ")" : clause());
    }
    return out;
  }
  std::string field() {
    switch (number(10)) {
      case 0:
        return "version='" + constraint() + "'";
      case 1:
        return pick({"build=py*", "build='h_0'", "build=\"^a\\.b$\"", "build='A'"});
      case 2:
        return pick({"build_number=3", "build_number='>=2,<5'", "size='>10'", "timestamp=5"});
      case 3:
        return pick({"license='it\\'s'", "license=\"a\\\\b\"", "license='a\\b'", "license_family=MIT", "license='x\\\\'"});
      case 4:
        return pick({"extras=[b,a]", "extras=a", "flags=['x:*',y]", "flags=\"cuda\"", "track_features='b a'"});
      case 5:
        return pick({"when='python>=3'", "when='a and (b or c>2)'", "when=__unix", "when=\"a[build='x'] or b\""});
      case 6:
        return pick({"channel=defaults", "channel='x/linux-64'", "channel='a-*'", "subdir=osx-64", "subdir='linux-*'"});
      case 7:
        return "md5=7dbaa197d7ba6032caf7ae7f32c1efa0";
      case 8:
        return pick({"fn=a-1-0.conda", "url='https://h.org/c/linux-64/a-1-0.conda'", "features=mkl", "name=other"});
      default:
        return "version=" + version();
    }
  }

  std::mt19937 engine_;
};

}  // namespace

TEST_CASE("random match specs are printed faithfully or refused", "[match_spec][property]") {
  Generator generator(20240229);
  int read = 0;
  int refused = 0;
  for (int i = 0; i < 60000; ++i) {
    std::string text = generator.spec();
    if (i % 2 == 1) {
      text = generator.broken(text);
    }
    MatchSpec spec;
    try {
      spec = MatchSpec::parse(text);
    } catch (const Error&) {
      ++refused;
      continue;
    }
    ++read;
    bool is_faithful = false;
    std::string why;
    try {
      is_faithful = MatchSpec::parse(spec.str()) == spec && MatchSpec::parse(spec.str()).str() == spec.str() &&
                    MatchSpec::parse(spec.dependency_str()) == spec;
    } catch (const Error& error) {
      why = error.what();
    }
    if (!is_faithful) {
      FAIL_CHECK("`" << text << "` printed as `" << spec.str() << "` and `" << spec.dependency_str() << "` " << why);
    }
  }
  // Both halves must have been tried for the test to mean anything.
  CHECK(read > 20000);
  CHECK(refused > 5000);
}
