#include "guest/krun-init/request.h"

#include <algorithm>

#include "krun/environment.h"
#include "krun/limit_word.h"

namespace cloche::krun_init {
namespace {

bool has_word(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    size_t end = std::min(text.find_first_of(" \n"), text.size());
    if (text.substr(0, end) == word) return true;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return false;
}

std::vector<std::string> choose_arguments(const Words& words, const krun::ConfiguredProcess& configured) {
  std::string program = krun::value_of(words.environment, "KRUN_INIT");
  if (program.empty() && !configured.arguments.empty()) return configured.arguments;
  std::vector<std::string> arguments = words.arguments;
  if (!program.empty()) arguments.insert(arguments.begin(), program);
  if (arguments.empty()) arguments.emplace_back(krun::kShell);
  return arguments;
}

std::vector<std::string> make_environment(const Words& words, const krun::ConfiguredProcess& configured) {
  std::vector<std::string> environment = words.environment;
  krun::add_configured(environment, configured.environment);
  return environment;
}

}  // namespace

wire::RootDevice root_device_in(const std::vector<std::string>& environment) {
  std::string type = krun::value_of(environment, "KRUN_BLOCK_ROOT_FSTYPE");
  return {.path = krun::value_of(environment, "KRUN_BLOCK_ROOT_DEVICE"),
          .type = type == "auto" ? "" : type,
          .options = krun::value_of(environment, "KRUN_BLOCK_ROOT_OPTIONS")};
}

Result<Request> make_request(const Words& words, const krun::ConfiguredProcess& configured) {
  auto said = [&](const char* name) { return krun::value_of(words.environment, name); };
  Request request{.is_first = said("KRUN_INIT_PID1").starts_with('1'), .memory_mounts = configured.memory_mounts};
  wire::Start& start = request.start;
  auto limits = krun::parse_limits(said("KRUN_RLIMITS"));
  if (!limits) return init::failed("understand KRUN_RLIMITS " + said("KRUN_RLIMITS"), EINVAL);
  for (const krun::LimitWord& limit : *limits) start.limits.push_back({limit.resource, limit.soft, limit.hard});
  start.arguments = choose_arguments(words, configured);
  start.environment = make_environment(words, configured);
  start.working_directory = said("KRUN_WORKDIR");
  if (start.working_directory.empty()) start.working_directory = configured.working_directory;
  start.hostname = krun::value_of(start.environment, "HOSTNAME");
  if (start.hostname.empty()) start.hostname = "localhost";
  if (said("KRUN_DHCP") == "1") start.interfaces = {{.has_dhcp = true}};
  start.impersonation.is_on = has_word(words.command_line, "tsi_hijack");
  return request;
}

}  // namespace cloche::krun_init
