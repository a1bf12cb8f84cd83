#include "vmm/health.h"

#include <fmt/format.h>

#include <cstring>

#include "base/printable.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;
using wire::AgentFrame;

// The agent ends a check that takes too long, by the guest's clock. An agent that does not is waited for no longer.
constexpr auto kAgentPatience = 10s;
// The guest has noticed by then that we have closed.
constexpr auto kClosing = 1s;

void cancel(EventLoop& loop, std::optional<EventLoop::TimerId>& timer) {
  if (timer) loop.cancel(*timer);
  timer.reset();
}

// Times that Clock cannot hold are as good as never.
EventLoop::Clock::time_point after(uint64_t ms) {
  constexpr uint64_t kNever = 1000ULL * 3600 * 24 * 365 * 100;
  return EventLoop::Clock::now() + std::chrono::milliseconds(std::min(ms, kNever));
}

}  // namespace

Health::Health(EventLoop& loop, wire::VmHealth wanted, Needs needs)
    : loop_(loop), wanted_(std::move(wanted)), needs_(std::move(needs)) {}

Health::~Health() { hold(); }

void Health::start() {
  if (!began_) began_ = Clock::now();
  check_later();
}

void Health::hold() {
  cancel(loop_, next_);
  cancel(loop_, deadline_);
  cancel(loop_, disposal_);
  if (link_) connected_ = Clock::now();
  underway_ = false;
  link_.reset();
}

bool Health::may_be_connected() const { return link_ != nullptr || Clock::now() - connected_ < kClosing; }

void Health::check_later() {
  cancel(loop_, next_);
  next_ = loop_.at(after(wanted_.interval_ms), [this] {
    next_.reset();
    check();
  });
}

void Health::check() {
  output_.clear();
  underway_ = true;
  auto link = needs_.connect(
      {.frame = [this](AgentFrame type, std::span<const std::byte> payload) { take_frame(type, payload); },
       .closed = [this] { judge("the guest's agent closed the connection"); }});
  if (!link) return judge(link.error().message());
  link_ = std::move(*link);
  uint64_t longest = uint64_t{wanted_.command.timeout_ms} + wanted_.command.grace_ms;
  deadline_ = loop_.at(after(longest) + kAgentPatience, [this] {
    deadline_.reset();
    judge("the guest's agent did not end it in time");
  });
}

void Health::take_frame(AgentFrame type, std::span<const std::byte> payload) {
  if (!underway_) return;
  switch (type) {
    case AgentFrame::kWelcome:
      return link_->send(wire::encode(AgentFrame::kExec, wanted_.command));
    case AgentFrame::kOutput:
    case AgentFrame::kErrorOutput:
      return keep(payload);
    case AgentFrame::kEnded:
      return ended(payload);
    case AgentFrame::kError: {
      wire::AgentError error;
      if (!wire::decode_message(payload, error)) error = {};
      return judge("the guest's agent refused it: " + printable(error.what));
    }
    default:
      return;
  }
}

void Health::keep(std::span<const std::byte> bytes) {
  output_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (output_.size() > kMostOutput) output_.erase(0, output_.size() - kMostOutput);
}

void Health::ended(std::span<const std::byte> payload) {
  wire::ExecEnded ended;
  if (!wire::decode_message(payload, ended)) return judge("the guest's agent sent what it must not");
  if (ended.timed_out) return judge(fmt::format("it took longer than {} ms", wanted_.command.timeout_ms));
  switch (ended.kind) {
    case wire::ExitKind::kExited:
      return judge(ended.value == 0 ? "" : fmt::format("it ended with code {}", ended.value & 0xff));
    case wire::ExitKind::kSignaled:
      return judge(fmt::format("it was ended by signal {}", ended.value));
    case wire::ExitKind::kNotFound:
      return judge(printable(ended.what) + ": not found in the guest");
    default:
      return judge(printable(ended.what) + ": cannot be executed in the guest");
  }
}

void Health::judge(const std::string& why) {
  if (!underway_) return;
  underway_ = false;
  cancel(loop_, deadline_);
  // Not from within its own events.
  disposal_ = loop_.at(Clock::now(), [this] {
    disposal_.reset();
    if (link_) connected_ = Clock::now();
    link_.reset();
  });
  check_later();
  HealthStatus before = report_.status;
  if (why.empty()) {
    bool had_failed = std::exchange(report_.failures, 0) > 0;
    report_.status = HealthStatus::kHealthy;
    if (before != report_.status || had_failed) needs_.report(report_);
    return;
  }
  report_.output = printable(output_, Lines::kKeep);
  if (!report_.output.empty() && !report_.output.ends_with('\n')) report_.output += '\n';
  report_.output += "(" + why + ")";
  bool counts = before != HealthStatus::kStarting ||
                Clock::now() - *began_ >=
                    std::chrono::milliseconds(std::min<uint64_t>(wanted_.start_period_ms, INT64_MAX / 1'000'000));
  if (counts && report_.failures < UINT32_MAX) ++report_.failures;
  if (report_.failures >= std::max(wanted_.retries, 1u)) report_.status = HealthStatus::kUnhealthy;
  needs_.report(report_);
}

}  // namespace cloche
