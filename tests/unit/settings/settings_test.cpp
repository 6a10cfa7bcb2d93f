#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/settings/settings.hpp"

using namespace envtool;
using Strings = std::vector<std::string>;

namespace {
const SettingsDefaults defaults{"/home/ada", "/work"};

Settings from(const std::vector<std::string>& files) {
  std::vector<SettingsLayer> layers;
  for (std::size_t i = 0; i < files.size(); ++i)
    layers.push_back(parse_condarc(files[i], "file" + std::to_string(i)));
  return merge(layers, defaults);
}

std::string error_of(const std::string& text) {
  try {
    from({text});
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.where() + " " + error.message() + " " + error.why();
  }
  FAIL("accepted: " << text);
  return {};
}
}  // namespace

TEST_CASE("defaults need no file") {
  const Settings settings = merge({}, defaults);
  CHECK(settings.root_prefix == "/home/ada/.envtool");
  CHECK(settings.envs_dirs == Strings{"/home/ada/.envtool/envs", "/home/ada/.conda/envs"});
  CHECK(settings.pkgs_dirs == Strings{"/home/ada/.envtool/pkgs", "/home/ada/.conda/pkgs"});
  CHECK(settings.channels.empty());
  CHECK(settings.fallback_channels == Strings{"conda-forge"});
  CHECK(settings.channel_priority == ChannelPrioritySetting::flexible);
  CHECK(settings.verify_tls);
  CHECK(settings.sources.empty());
}

TEST_CASE("lists fold with the higher layer first, scalars and maps by key") {
  const Settings settings = from({"channels: [a, b]\noffline: true\ncustom_channels: {x: https://one, y: https://two}\n",
                                  "channels:\n  - c\n  - a\noffline: no\ncustom_channels:\n  x: https://three\n"});
  CHECK(settings.channels == Strings{"c", "a", "b"});
  CHECK_FALSE(settings.offline);
  CHECK(settings.channel_config.custom_channels ==
        std::map<std::string, std::string>{{"x", "https://three"}, {"y", "https://two"}});
  CHECK(settings.sources.at("offline") == "file1:4:10");
}

TEST_CASE("conda's marks: final, top, bottom") {
  CHECK(from({"channels: #!final\n  - a\n", "channels: [b]\n"}).channels == Strings{"a"});
  CHECK(from({"offline: true #!final\n", "offline: false\n"}).offline);
  CHECK(from({"channels:\n  - a #!top\n  - z #!bottom\n", "channels: [b, c]\n"}).channels == Strings{"a", "b", "c", "z"});
}

TEST_CASE("values are checked where they stand") {
  CHECK(error_of("offline: maybe\n").find("file0:1:10") != std::string::npos);
  CHECK(error_of("channel_priority: sometimes\n").find("`strict`") != std::string::npos);
  CHECK(error_of("channels: {a: b}\n").find("expected a list") != std::string::npos);
  CHECK(error_of("channels:\n  - [a]\n").find("file0:2:5") != std::string::npos);
  CHECK(error_of("remote_max_retries: -1\n").find("not a number") != std::string::npos);
  CHECK(error_of("channel_alias: nonsense\n").find("channel_alias") != std::string::npos);
  CHECK(error_of("offline: true\noffline: false\n").find("twice") != std::string::npos);
  CHECK(error_of("a: [\n").find("file0:") != std::string::npos);
  CHECK(error_of("- a\n").find("key: value") != std::string::npos);
  CHECK(error_of("path_conflict: explode\n").find("prevent") != std::string::npos);
}

TEST_CASE("unknown and unsupported keys are said, harmless ones are not") {
  const Settings settings = from({"chanels: [a]\nrepodata_fns: [x.json]\nreport_errors: false\n"});
  REQUIRE(settings.warnings.size() == 2);
  CHECK(settings.warnings[0] == "file0:1:1: unknown setting `chanels`, did you mean `channels`?");
  CHECK(settings.warnings[1].find("not supported") != std::string::npos);
}

TEST_CASE("variables are a layer; later tools win; paths and lists split") {
  const SettingsLayer layer = layer_from_variables({{"CONDA_CHANNELS", "a,https://h:8/b"},
                                                    {"CONDA_OFFLINE", "true"},
                                                    {"ENVTOOL_OFFLINE", "0"},
                                                    {"CONDA_PKGS_DIRS", "/a:/b,~/c"},
                                                    {"CONDA_PREFIX", "/x"},
                                                    {"CONDA_CHANNEL_PRIORITY", "strict"}});
  const Settings settings = merge({layer}, defaults);
  CHECK(settings.channels == Strings{"a", "https://h:8/b"});
  CHECK_FALSE(settings.offline);
  CHECK(settings.pkgs_dirs == Strings{"/a", "/b", "/home/ada/c"});
  CHECK(settings.channel_priority == ChannelPrioritySetting::strict);
  CHECK(settings.sources.at("offline") == "ENVTOOL_OFFLINE");
}

TEST_CASE("certificate checks are switched off only by the user") {
  const SettingsLayer user = parse_condarc("ssl_verify: false\n", "~/.condarc");
  const SettingsLayer project = parse_condarc("ssl_verify: false\n", "/env/.condarc", SettingsTrust::project);
  const Settings trusted = merge({user}, defaults);
  CHECK_FALSE(trusted.verify_tls);
  CHECK(trusted.verify_tls_source == "~/.condarc:1:13");
  const Settings refused = merge({project}, defaults);
  CHECK(refused.verify_tls);
  REQUIRE(refused.warnings.size() == 1);
  CHECK(refused.warnings[0].find("/env/.condarc:1:13") == 0);
  CHECK(from({"ssl_verify: /etc/ca.pem\n"}).ca_bundle == "/etc/ca.pem");
}

TEST_CASE("repodata's time to live has conda's meaning") {
  CHECK_FALSE(from({"local_repodata_ttl: 1\n"}).repodata_ttl.has_value());
  CHECK(from({"local_repodata_ttl: false\n"}).repodata_ttl == std::chrono::seconds(0));
  CHECK(from({"local_repodata_ttl: 600\n"}).repodata_ttl == std::chrono::seconds(600));
}

TEST_CASE("the files that are read, and whom they belong to") {
  const auto candidates = configuration_candidates({{"CONDARC", "/special"}}, "/home/ada", "/root", "/env");
  auto find = [&](const std::string& path) {
    for (std::size_t i = 0; i < candidates.size(); ++i)
      if (candidates[i].path == path) return static_cast<int>(i);
    return -1;
  };
  CHECK(find("/etc/conda/.condarc") == 0);
  CHECK(find("/root/.condarc") < find("/home/ada/.condarc"));
  CHECK(find("/home/ada/.condarc") < find("/env/.condarc"));
  CHECK(candidates.back().path == "/special");
  CHECK(candidates[static_cast<std::size_t>(find("/env/condarc.d/"))].trust == SettingsTrust::project);
  CHECK(root_prefix_from_variables({{"MAMBA_ROOT_PREFIX", "/m"}, {"CONDA_ROOT_PREFIX", "/c"}}, "/h") == "/m");
  CHECK(root_prefix_from_variables({}, "/h") == "/h/.envtool");
}

TEST_CASE("a hostile file ends in an error with its place, quickly") {
  CHECK(error_of("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                 "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n")
            .find("too many parts") != std::string::npos);
  CHECK(error_of("channels: &c [*c]\n").find("file0:1:") == 0);
  CHECK(error_of("channels: " + std::string(100000, '[') + "\n").find("file0:1:") == 0);
  CHECK(error_of("channels: [\xff]\n").find("UTF-8") != std::string::npos);
  CHECK(error_of("custom_channels: {a: x, a: y}\n").find("twice") != std::string::npos);
  CHECK(error_of("always_yes: true\nyes: true\n").find("given twice") != std::string::npos);
}

TEST_CASE("older names work in variables, the key's own name wins") {
  CHECK(merge({layer_from_variables({{"CONDA_ENVS_PATH", "/a:/b"}})}, defaults).envs_dirs.front() == "/a");
  CHECK(merge({layer_from_variables({{"CONDA_ENVS_PATH", "/a"}, {"CONDA_ENVS_DIRS", "/c"}})}, defaults).envs_dirs.front() == "/c");
}

TEST_CASE("variables in files are replaced where conda does so") {
  SettingsLayer layer = parse_condarc(
      "channels: ['https://h/t/$TOKEN/c', '$MISSING/x', 'a${TOKEN}b', '${TOKEN', '$']\nenvs_dirs: [$HOME/envs]\n"
      "env_prompt: '$TOKEN'\nproxy_servers: {https: 'http://u:${TOKEN}@p'}\n",
      "f");
  const Settings settings = merge({layer}, {"/home/ada", "/work", {{"TOKEN", "secret"}, {"HOME", "/home/ada"}}});
  CHECK(settings.channels == Strings{"https://h/t/secret/c", "$MISSING/x", "asecretb", "${TOKEN", "$"});
  CHECK(settings.envs_dirs.front() == "/home/ada/envs");
  CHECK(settings.env_prompt == "$TOKEN");
  CHECK(settings.proxy_servers.at("https").reveal() == "http://u:secret@p");
  layer.trust = SettingsTrust::project;
  const Settings project = merge({layer}, {"/home/ada", "/work", {{"TOKEN", "secret"}}});
  CHECK(project.channels.front() == "https://h/t/$TOKEN/c");
}

TEST_CASE("who set a key is who won") {
  const Settings settings = from({"offline: true #!final\n", "offline: false\n"});
  CHECK(settings.sources.at("offline") == "file0:1:10");
  CHECK(from({"envvars_force_uppercase: true\n"}).uppercase_variables);
}
