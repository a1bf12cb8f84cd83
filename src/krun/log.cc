#include "krun/log.h"

#include <fmt/format.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <mutex>

#include "libkrun.h"

namespace cloche::krun {
namespace {

struct Target {
  std::mutex mutex;
  int fd = STDERR_FILENO;
  uint32_t level = KRUN_LOG_LEVEL_ERROR;
  bool colored = false;
};

Target& target() {
  static Target the_target;
  return the_target;
}

constexpr std::array<const char*, 6> kNames{"off", "error", "warn", "info", "debug", "trace"};
constexpr std::array<const char*, 4> kShown{"ERROR", "WARN", "INFO", "DEBUG"};
constexpr std::array<const char*, 4> kColors{"\33[31m", "\33[33m", "\33[32m", "\33[34m"};

// RUST_LOG's plain form, one level for everything. Its other forms name modules that are not here.
uint32_t level_of(uint32_t asked, bool heeds_environment) {
  const char* set = heeds_environment ? std::getenv("RUST_LOG") : nullptr;
  for (size_t level = 0; set != nullptr && level < kNames.size(); ++level)
    if (::strcasecmp(set, kNames[level]) == 0) return static_cast<uint32_t>(level);
  return std::min<uint32_t>(asked, KRUN_LOG_LEVEL_TRACE);
}

void set_target(int fd, uint32_t level, bool colored) {
  std::scoped_lock lock(target().mutex);
  if (target().fd > STDERR_FILENO && target().fd != fd) ::close(target().fd);
  target().fd = fd;
  target().level = level;
  target().colored = colored;
}

}  // namespace

Verbosity log_verbosity() {
  std::scoped_lock lock(target().mutex);
  uint32_t level = std::clamp<uint32_t>(target().level, KRUN_LOG_LEVEL_ERROR, KRUN_LOG_LEVEL_DEBUG);
  return static_cast<Verbosity>(level - KRUN_LOG_LEVEL_ERROR);
}

void write_log(Verbosity level, std::string_view line) {
  std::scoped_lock lock(target().mutex);
  auto number = static_cast<size_t>(level);
  if (number + KRUN_LOG_LEVEL_ERROR > target().level) return;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  tm utc{};
  ::gmtime_r(&now.tv_sec, &utc);
  std::array<char, 32> time;
  std::strftime(time.data(), time.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  bool colored = target().colored;
  std::string text = fmt::format("[{}.{:06}Z {}{}{} cloche] {}\n", time.data(), now.tv_nsec / 1000,
                                 colored ? kColors[number] : "", kShown[number], colored ? "\33[0m" : "", line);
  static_cast<void>(!::write(target().fd, text.data(), text.size()));
}

}  // namespace cloche::krun

using namespace cloche::krun;

extern "C" {

int32_t krun_set_log_level(uint32_t level) {
  set_target(STDERR_FILENO, level_of(level, true), ::isatty(STDERR_FILENO) == 1);
  return 0;
}

int32_t krun_init_log(int target_fd, uint32_t level, uint32_t style, uint32_t options) {
  bool right = target_fd == KRUN_LOG_TARGET_DEFAULT || target_fd > STDIN_FILENO;
  if (!right || style > KRUN_LOG_STYLE_NEVER || options > KRUN_LOG_OPTION_NO_ENV) return -EINVAL;
  int fd = target_fd == KRUN_LOG_TARGET_DEFAULT ? STDERR_FILENO : target_fd;
  bool colored = style == KRUN_LOG_STYLE_ALWAYS || (style == KRUN_LOG_STYLE_AUTO && ::isatty(fd) == 1);
  set_target(fd, level_of(level, options != KRUN_LOG_OPTION_NO_ENV), colored);
  return 0;
}

}  // extern "C"
