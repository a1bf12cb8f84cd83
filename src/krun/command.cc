// What runs in the VM, and as whom.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "krun/context.h"
#include "krun/limit_word.h"
#include "libkrun.h"

namespace cloche::krun {
namespace {

// By their numbers on x86_64 Linux, as setrlimit(2) has them.
constexpr std::array<const char*, LimitWord::kResources> kResources{
    "cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
    "memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};

std::vector<std::string> own_environment() {
  std::vector<std::string> all;
  for (char** each = environ; each != nullptr && *each != nullptr; ++each) all.emplace_back(*each);
  return all;
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
      auto limit = parse_limit(word);
      if (!limit) return -EINVAL;
      limits.push_back({kResources[limit->resource], limit->soft, limit->hard});
    }
    context.limits = std::move(limits);
    context.limit_words = std::move(*words);
    return 0;
  });
}

int32_t krun_set_smbios_oem_strings(uint32_t ctx_id, const char* const oem_strings[]) {
  return with_context(ctx_id, [&](Context& context) {
    auto words = words_of(oem_strings);
    if (!words || std::ranges::find(*words, "") != words->end()) return -EINVAL;
    context.smbios_oem_strings = std::move(*words);
    return 0;
  });
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
