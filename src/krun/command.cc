// What runs in the VM, and as whom.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "krun/context.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

// By their numbers on x86_64 Linux, as setrlimit(2) has them.
constexpr std::array<const char*, 16> kResources{"cpu",      "fsize",  "data",    "stack", "core",  "rss",
                                                 "nproc",    "nofile", "memlock", "as",    "locks", "sigpending",
                                                 "msgqueue", "nice",   "rtprio",  "rttime"};

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) all.emplace_back(*each);
  return all;
}

std::optional<uint64_t> number_in(std::string_view text) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// "RESOURCE=SOFT:HARD", or with a colon instead of the equals sign.
std::optional<Limit> limit_of(std::string_view text) {
  size_t first = text.find_first_of("=:"), second = text.find(':', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  auto resource = number_in(text.substr(0, first)), soft = number_in(text.substr(first + 1, second - first - 1)),
       hard = number_in(text.substr(second + 1));
  if (!resource || !soft || !hard || *resource >= kResources.size()) return std::nullopt;
  return Limit{kResources[*resource], *soft, *hard};
}

}  // namespace
}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_set_env(uint32_t ctx_id, const char* const envp[]) {
  return with_context(ctx_id, [&](Context& context) {
    auto environment = envp == nullptr ? own_environment() : words_of(envp);
    if (!environment) return -EINVAL;
    context.environment = std::move(environment);
    return 0;
  });
}

int32_t krun_set_exec(uint32_t ctx_id, const char* exec_path, const char* const argv[], const char* const envp[]) {
  return with_context(ctx_id, [&](Context& context) {
    auto arguments = argv == nullptr ? std::vector<std::string>() : words_of(argv);
    auto environment = envp == nullptr ? own_environment() : words_of(envp);
    if (exec_path == nullptr || *exec_path == '\0' || !arguments || !environment) return -EINVAL;
    context.program = exec_path;
    context.arguments = std::move(*arguments);
    context.environment = std::move(environment);
    return 0;
  });
}

int32_t krun_set_workdir(uint32_t ctx_id, const char* workdir_path) {
  return with_context(ctx_id, [&](Context& context) {
    if (workdir_path == nullptr) return -EINVAL;
    context.working_directory = workdir_path;
    return 0;
  });
}

int32_t krun_set_rlimits(uint32_t ctx_id, const char* const rlimits[]) {
  return with_context(ctx_id, [&](Context& context) {
    auto words = words_of(rlimits);
    if (!words) return -EINVAL;
    std::vector<cloche::Limit> limits;
    for (const std::string& word : *words) {
      auto limit = limit_of(word);
      if (!limit) return -EINVAL;
      limits.push_back(std::move(*limit));
    }
    context.limits = std::move(limits);
    context.limit_words = std::move(*words);
    return 0;
  });
}

// No program in a VM of ours can read them: there is no SMBIOS without firmware.
int32_t krun_set_smbios_oem_strings(uint32_t ctx_id, const char* const oem_strings[]) {
  return with_context(ctx_id, [&](Context&) { return words_of(oem_strings) ? 0 : -EINVAL; });
}

int32_t krun_setuid(uint32_t ctx_id, const uid_t uid) {
  return with_context(ctx_id, [&](Context& context) {
    context.uid = uid;
    return 0;
  });
}

int32_t krun_setgid(uint32_t ctx_id, const gid_t gid) {
  return with_context(ctx_id, [&](Context& context) {
    context.gid = gid;
    return 0;
  });
}

}  // extern "C"
