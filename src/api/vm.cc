#include "cloche/vm.h"

#include "api/held_files.h"
#include "api/monotonic.h"
#include "api/vm_process.h"
#include "cloche/held_installation.h"

namespace cloche {

namespace {

struct Planned {
  Plan plan;
  std::string program;  // Of the VM's process.
};

// With the programs and images that are there, or with those held on to.
Result<Planned> make_plan_of(const Config& config) {
  bool held = config.held != nullptr;
  if (held && !config.held->files().are_in_place()) {
    auto copies = TRY(config.held->files().copy());
    Plan plan = TRY(make_plan(config, copies.installation));
    std::string program = hand_over(std::move(copies), plan);
    return Planned{std::move(plan), std::move(program)};
  }
  Installation installation = held ? config.held->files().installation() : find_installation(config.installation);
  Plan plan = TRY(make_plan(config, installation));
  return Planned{std::move(plan), std::move(installation.vmm)};
}

}  // namespace

Vm::Vm(std::unique_ptr<VmProcess> process) : process_(std::move(process)) {}
Vm::Vm(Vm&&) noexcept = default;
Vm& Vm::operator=(Vm&&) noexcept = default;
Vm::~Vm() = default;

Result<Vm> Vm::create(Config config) {
  uint64_t begin_ns = monotonic_now_ns();
  Planned planned = TRY(make_plan_of(config));
  auto process = std::make_unique<VmProcess>(std::move(config), std::move(planned.plan), std::move(planned.program));
  process->add_phase({"check configuration", false, begin_ns, monotonic_now_ns()});
  return Vm(std::move(process));
}

Result<void> Vm::start() { return process_->start(); }
Result<Outcome> Vm::wait() { return process_->wait(); }
int Vm::event_fd() const { return process_->event_fd(); }
int Vm::wait_ms() const { return process_->wait_ms(); }
Result<std::optional<Outcome>> Vm::try_wait() { return process_->try_wait(); }
Result<void> Vm::signal(int number) { return process_->signal(number); }
Result<void> Vm::resize(TerminalSize size) { return process_->resize(size); }
Result<void> Vm::pause() { return process_->pause(); }
Result<void> Vm::resume() { return process_->resume(); }
Result<void> Vm::kill() { return process_->kill(); }

}  // namespace cloche
