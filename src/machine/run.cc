// A Machine while it runs, and how its end is told.
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include "base/printable.h"
#include "machine/behind_guest.h"
#include "machine/machine.h"

namespace cloche {
namespace {

using namespace std::chrono_literals;

// What a dying guest said last may still be in its queues when its vCPU has already stopped.
constexpr auto kLastWords = 20ms;
// A guest whose cloche-init is gone panics at once; one that does not is ended.
constexpr auto kPanicGrace = 1500ms;
constexpr size_t kTailLines = 24;

bool says(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }

}  // namespace

Machine::~Machine() { stop_cpus(); }

Result<ExitReport> Machine::run() {
  if (config_.timeout)
    loop_->at(EventLoop::Clock::now() + *config_.timeout,
              [this] { end(EndKind::kTimeout, fmt::format("timed out after {} ms", config_.timeout->count())); });
  vsock_.on_drained([this] {
    if (exited_ && vsock_.drained()) end(EndKind::kReported, {});
  });
  // vCPU threads take no signal but their kick: everything else belongs to this thread.
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigdelset(&all, SIGRTMIN);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  first_run_ns_ = monotonic_ns();
  for (unsigned index = 0; index < cpus_.size(); ++index) threads_.emplace_back([this, index] { run_cpu(index); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

  BehindGuest behind;
  TRY(loop_->run());
  stop_cpus();
  for (auto& disk : disks_) disk->settle();
  if (failure_) return std::unexpected(std::move(*failure_));
  return make_report();
}

void Machine::run_cpu(unsigned index) {
  for (;;) {
    gates_[index].enter();
    // After the gate: a paused VM may have been ended behind it.
    if (stopping_) break;
    auto exit = cpus_[index]->run();
    gates_[index].leave();
    if (!exit) return cpu_ended(EndKind::kCpuError, exit.error().message());
    if (!serve_exit(*exit, index)) return;
  }
  gates_[index].leave();
}

// False when this vCPU will not run again.
bool Machine::serve_exit(const hypervisor::Exit& exit, unsigned index) {
  using hypervisor::ExitKind;
  size_t item = exit.data.size() / std::max(exit.count, 1u);
  switch (exit.kind) {
    case ExitKind::kPortRead:
      for (uint32_t i = 0; i < exit.count; ++i) ports_.read(exit.address, exit.data.subspan(i * item, item));
      return true;
    case ExitKind::kPortWrite:
      for (uint32_t i = 0; i < exit.count; ++i) ports_.write(exit.address, exit.data.subspan(i * item, item));
      return true;
    case ExitKind::kMemoryRead:
      mmio_.read(exit.address, exit.data);
      return true;
    case ExitKind::kMemoryWrite:
      mmio_.write(exit.address, exit.data);
      return true;
    case ExitKind::kInterrupted:
      return true;
    case ExitKind::kShutdown:
      cpu_ended(EndKind::kTripleFault, fmt::format("triple fault on vCPU {}: {}", index, cpus_[index]->describe()));
      return false;
    case ExitKind::kNoMemory:
      if (repair_memory(index)) return true;
      cpu_ended(EndKind::kCpuError, fmt::format("the guest accessed memory that the host cannot give it (EFAULT): {}",
                                                cpus_[index]->describe()));
      return false;
    case ExitKind::kHalted:
      cpu_ended(EndKind::kReset, "the guest halted for good");
      return false;
    case ExitKind::kInternalError:
      cpu_ended(EndKind::kCpuError, exit.detail);
      return false;
  }
  return true;
}

void Machine::signal(uint32_t number) {
  if (!is_guests()) return session_.signal(number);
  for (uint32_t ending : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
    if (number == ending) return end(EndKind::kStopped, fmt::format("ended by signal {}", number));
}

void Machine::cpu_ended(EndKind kind, std::string detail) {
  stopping_ = true;  // The other vCPUs stop as well: what is left of the guest must not go on half.
  loop_->post([this, kind, detail = std::move(detail)] { guest_gone(kind, detail); });
}

void Machine::greet(const wire::Hello& hello) {
  hello_ = hello;
  if (auto checked = check_networks(); !checked) {
    failure_ = std::move(checked).error();
    return end(EndKind::kStopped, failure_->message());
  }
  config_.start.realtime_ns = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch() / 1ns);
  session_.start(config_.start);
  start_sent_ns_ = monotonic_ns();
}

// Whoever was to be at a network's other end has had the time of the guest's boot to find that it cannot.
Result<void> Machine::check_networks() const {
  for (const MachineNetwork& network : config_.networks)
    if (network.options.check) TRY(network.options.check());
  return {};
}

void Machine::take_report(const wire::Exited& exited) {
  exited_ns_ = monotonic_ns();
  exited_ = exited;
  if (!exited.unsaved.empty())
    config_.log.error("what was written to {} could not be saved: the device has stopped", printable(exited.unsaved));
  if (vsock_.drained()) return end(EndKind::kReported, {});
  if (config_.drain_timeout)
    loop_->at(EventLoop::Clock::now() + *config_.drain_timeout, [this] {
      end(EndKind::kReported, {});
      loop_->stop();
    });
}

void Machine::guest_gone(EndKind kind, std::string detail) {
  if (exited_ || ended_) return;  // Its report is here: what is left is to hand over its output.
  auto wait = stopping_ ? kLastWords : kPanicGrace;
  loop_->at(EventLoop::Clock::now() + wait, [this, kind, detail = std::move(detail)] {
    if (!exited_) classify(kind, detail);
  });
}

void Machine::classify(EndKind kind, std::string detail) {
  for (auto& transport : transports_) transport->serve_pending();
  if (exited_) return;
  std::string tail = console_log_.last_lines(200);
  if (kind != EndKind::kCpuError && says(tail, "Kernel panic - not syncing")) {
    if (says(tail, "Attempted to kill init"))
      return end(EndKind::kInitKilled, "the guest's init was killed, so its kernel panicked");
    return end(EndKind::kPanic, "the guest kernel panicked");
  }
  // A restart is how a guest without cloche-init says that it is done; some of them restart by a triple fault.
  if (is_guests() && (kind == EndKind::kReset || kind == EndKind::kTripleFault)) return end_in_order();
  end(kind, std::move(detail));
}

void Machine::end_in_order() {
  exited_ = wire::Exited{};
  exited_->kind = wire::ExitKind::kExited;
  exited_->value = guests_code_;
  end(EndKind::kReported, {});
}

void Machine::end(EndKind kind, std::string detail) {
  if (ended_) {
    if (kind != EndKind::kReported) loop_->stop();  // It is not waited for any more.
    return;
  }
  ended_ = kind;
  detail_ = std::move(detail);
  bool flushed = flush_consoles();
  if (flushed || kind != EndKind::kReported) loop_->stop();
}

void Machine::stop_cpus() {
  stopping_ = true;
  for (CpuGate& gate : gates_) gate.open();
  // One kick each is enough: a vCPU looks at stopping_ before it runs, and a kick that comes first ends its next run.
  for (auto& cpu : cpus_) cpu->kick();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Machine::add_guest_phases(ExitReport& report) {
  auto host = [&](const char* name, uint64_t begin, uint64_t end) {
    if (begin != 0 && end >= begin) report.phases.push_back({name, false, begin, end});
  };
  host("run: first vCPU instruction to PID 1", first_run_ns_, hello_ns_);
  host("answer with Start", hello_ns_, start_sent_ns_);
  host("run: Start to exit report", start_sent_ns_, exited_ns_);
  host("hand over output", exited_ns_, exited_ns_ == 0 ? 0 : monotonic_ns());
  if (!exited_ || is_guests()) return;
  // PID 1 sent its greeting right after it noted the time: that ties the guest's clock to ours.
  auto ours = [&](uint64_t guest_ns) { return hello_ns_ + guest_ns - hello_.boot_ns; };
  auto guest = [&](const char* name, uint64_t begin, uint64_t end) {
    if (begin != 0 && end >= begin) report.phases.push_back({name, true, ours(begin), ours(end)});
  };
  const wire::Exited& times = *exited_;
  report.phases.push_back({"kernel", true, first_run_ns_, hello_ns_});
  guest("wait for Start", times.began_ns, times.started_ns);
  guest("mount", times.started_ns, times.mounted_ns);
  guest("prepare and exec", times.mounted_ns, times.executed_ns);
  guest("command", times.executed_ns, times.ended_ns);
  guest("drain output", times.ended_ns, times.drained_ns);
}

ExitReport Machine::make_report() {
  ExitReport report;
  report.kind = ended_.value_or(EndKind::kStopped);
  report.detail = detail_;
  if (report.kind == EndKind::kReported)
    report.exited = *exited_;
  else
    report.console_tail = console_log_.last_lines(kTailLines);
  report.phases = timeline_.take();
  add_guest_phases(report);
  for (const auto& transport : transports_) report.guest_faults += transport->faults();
  return report;
}

}  // namespace cloche
