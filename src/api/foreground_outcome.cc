// What a VM's end means to whoever started its program.
#include "cloche/foreground.h"

namespace cloche {
namespace {

constexpr int kNotFoundCode = 127;  // As shells have it.
constexpr int kNotExecutableCode = 126;
constexpr int kSignalBase = 128;
constexpr int kOurs = 125;  // Anything that is not the command's own end.

bool guest_died(LostReason reason) {
  switch (reason) {
    case LostReason::kGuestPanic:
    case LostReason::kInitKilled:
    case LostReason::kTripleFault:
    case LostReason::kGuestReset:
    case LostReason::kCpuError:
    case LostReason::kTimeout:
      return true;
    default:
      return false;
  }
}

}  // namespace

int exit_code(const ExitStatus& status) {
  if (status.by == EndedBy::kExit) return status.value;
  if (status.by == EndedBy::kSignal) return kSignalBase + status.value;
  if (status.reason == LostReason::kNotFound) return kNotFoundCode;
  if (status.reason == LostReason::kNotExecutable) return kNotExecutableCode;
  return kOurs;
}

std::string last_words(const Outcome& outcome) {
  if (outcome.status.by != EndedBy::kLost) return {};
  std::string words = "cloche: " + outcome.text + "\n";
  if (!guest_died(outcome.status.reason) || outcome.console_tail.empty()) return words;
  words += "The guest kernel's last lines:\n";
  std::string_view tail = outcome.console_tail;
  while (!tail.empty()) {
    size_t end = tail.find('\n');
    words.append("  ").append(tail.substr(0, end)).append("\n");
    tail.remove_prefix(end == std::string_view::npos ? tail.size() : end + 1);
  }
  return words;
}

}  // namespace cloche
