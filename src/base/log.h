// Log lines with a level, handed to whoever owns the sink. No global state: a Log belongs to one Machine or one
// program.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string_view>
#include <utility>

namespace cloche {

enum class LogLevel { kError, kWarning, kInfo, kDebug };

class Log {
 public:
  using Sink =
      std::function<void(LogLevel, std::string_view line)>;  // Called on any thread, a whole line without newline.

  Log() = default;  // Silent.
  Log(LogLevel most, Sink sink) : most_(most), sink_(std::move(sink)) {}

  bool enabled(LogLevel level) const { return sink_ && level <= most_; }

  template <typename... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kError)) sink_(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kWarning)) sink_(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kInfo)) sink_(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    if (enabled(LogLevel::kDebug)) sink_(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  LogLevel most_ = LogLevel::kError;
  Sink sink_;
};

// A sink for lines that a guest can cause: `burst` of them at once, one more every `interval` after that, the others
// left out. The next line that passes is preceded by one that says how many those were.
Log::Sink limited(Log::Sink sink, unsigned burst, std::chrono::milliseconds interval,
                  std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now);

}  // namespace cloche
