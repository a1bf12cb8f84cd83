// Machine: one microVM, put together in named steps, run, and ended with a report of what became of it.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "arch/x86_64/boot_params.h"
#include "base/event_loop.h"
#include "boot/firmware.h"
#include "bus/bus.h"
#include "devices/console_log.h"
#include "devices/i8042.h"
#include "devices/net/net.h"
#include "devices/rng.h"
#include "devices/serial.h"
#include "devices/serial_console.h"
#include "devices/vsock/vsock.h"
#include "hypervisor/hypervisor.h"
#include "machine/config.h"
#include "machine/cpu_gate.h"
#include "machine/exit_report.h"
#include "machine/guest_session.h"
#include "machine/timeline.h"
#include "virtio/mmio_transport.h"

namespace cloche {

// One of the VM's interrupt lines.
class VmIrq final : public IrqLine {
 public:
  VmIrq(hypervisor::VirtualMachine& vm, uint32_t line) : vm_(vm), line_(line) {}
  void raise() override { vm_.pulse_irq(line_); }

 private:
  hypervisor::VirtualMachine& vm_;
  uint32_t line_;
};

class Machine {
 public:
  // Makes a VM that is ready to run; on failure nothing is left. `timeline` already holds what the caller did before.
  static Result<std::unique_ptr<Machine>> create(MachineConfig config, Timeline timeline);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Runs the VM on this thread (the event loop) and one thread per vCPU, until it has ended and all output was handed
  // over.
  Result<ExitReport> run();

  // While run() runs, on its thread (through loop()). A guest's own first program takes no signals: those that end a
  // process end the VM.
  void signal(uint32_t number);
  void resize(uint16_t rows, uint16_t columns) {
    if (!is_guests()) session_.resize(rows, columns);
    for (auto& console : consoles_) console->follow_sizes();
  }
  void stop(std::string reason) { end(EndKind::kStopped, std::move(reason)); }
  // When pause() returns, no vCPU is in the guest, and none enters it before resume(). The guest's clocks go on from
  // where they stood, where the hypervisor can do that. Devices, the timeout and the end of the VM do not wait. Pausing
  // a paused VM, or resuming a running one, does nothing; pausing one whose vCPUs have ended is an error.
  Result<void> pause();
  Result<void> resume();
  EventLoop& loop() { return *loop_; }
  // Leads `socket` to the guest's agent (wire/agent.h). `done` as in Vsock::connect(); after an error it is closed.
  void connect_agent(Fd socket, vsock::Vsock::Done done);
  // The same for any port on which the guest listens.
  void connect_guest(uint32_t port, Fd socket, vsock::Vsock::Done done);
  // Answers the guest's connects to `port`, which is none of cloche's own, with a socket of the host.
  void on_guest_connect(uint32_t port, std::function<Result<Fd>()> answer) { answers_[port] = std::move(answer); }
  // Those that the guest may still use.
  size_t guest_connections() const { return vsock_.connections(); }

 private:
  Machine(MachineConfig config, Timeline timeline, std::unique_ptr<EventLoop> loop);

  // The steps of create(), in order.
  Result<void> choose_way_in();
  Result<void> create_memory();
  Result<void> create_vm();
  Result<void> create_devices();
  Result<void> load_boot_image();
  Result<void> create_cpus();

  Result<void> create_vhost_user();
  bool is_served_elsewhere(uint32_t type) const;
  Result<void> add_device(virtio::Device& device, std::string name);
  // consoles.cc
  Result<void> create_consoles();
  std::function<void(std::span<const std::byte>)> log_console();
  std::vector<ConsolePort> virtio_ports();
  Result<void> add_console(std::vector<ConsolePort> ports);
  void log_all_terminals();
  Result<void> add_serial(ConsolePort port);
  bool flush_consoles();
  Result<GuestAddr> place_window(std::span<std::byte> bytes);
  bool is_guests() const { return config_.boot.into == MachineBoot::Into::kGuests; }
  Result<MachineShare> make_first_share() const;
  Result<std::vector<std::byte>> make_initramfs() const;
  Result<bool> is_bundle() const;
  Result<boot::LoadedKernel> load_kernel();
  std::string command_line() const;
  Result<vsock::HostStream> connect_stream(uint32_t port);

  // vCPU threads.
  void run_cpu(unsigned index);
  bool serve_exit(const hypervisor::Exit& exit, unsigned index);
  bool repair_memory(unsigned index);
  void cpu_ended(EndKind kind, std::string detail);

  // Loop thread.
  void greet(const wire::Hello& hello);
  Result<void> check_networks() const;
  void take_report(const wire::Exited& exited);
  void guest_gone(EndKind kind, std::string detail);
  void classify(EndKind kind, std::string detail);
  void end_in_order();
  void end(EndKind kind, std::string detail);
  void stop_cpus();
  Result<void> hold_clocks();
  Result<void> release_clocks();
  void add_guest_phases(ExitReport& report);
  ExitReport make_report();

  // How cloche-init gets into the guest.
  enum class WayIn : uint8_t {
    kInitramfs,
    kShare,  // On a file system of its own, which the kernel takes for its root: libkrunfw's knows no initramfs.
    kNone,   // The guest has a program of its own.
  };

  struct Clocks {
    hypervisor::x86_64::VmClock vm;
    std::vector<hypervisor::x86_64::CpuClock> cpus;
  };

  MachineConfig config_;
  Timeline timeline_;
  std::unique_ptr<EventLoop> loop_;
  WayIn way_in_ = WayIn::kInitramfs;
  GuestMemory memory_;
  std::unique_ptr<hypervisor::VirtualMachine> vm_;
  Bus ports_;
  Bus mmio_;
  ConsoleLog console_log_;
  Serial serial_;  // Where no console is one: what the kernel says before it has others.
  I8042 keyboard_;
  Rng rng_;
  std::vector<std::unique_ptr<ConsolePorts>> consoles_;  // At most two.
  std::vector<std::unique_ptr<SerialConsole>> serial_consoles_;
  size_t log_terminal_ = 0;  // hvcN, of the kernel's log.
  size_t unflushed_ = 0;     // Loop thread: consoles that have still to hand over the guest's last words.
  vsock::Vsock vsock_;
  std::string tsi_words_;  // For the kernel's command line.
  std::vector<std::unique_ptr<fs::Fs>> shares_;
  std::vector<std::unique_ptr<net::Net>> networks_;
  std::vector<std::unique_ptr<block::Block>> disks_;
  std::vector<std::unique_ptr<vhost_user::FrontEnd>> vhost_user_;
  std::vector<MemoryRegion> windows_;
  std::vector<uint64_t> seen_repairs_;  // Loop thread: of windows, how many each vCPU has been told of.
  std::vector<std::unique_ptr<VmIrq>> irqs_;
  std::vector<std::unique_ptr<virtio::MmioTransport>> transports_;
  std::map<uint32_t, std::function<Result<Fd>()>> answers_;
  GuestSession session_;
  boot::LoadedKernel kernel_;
  std::optional<boot::Firmware> firmware_;  // In the kernel's place.
  std::vector<std::unique_ptr<hypervisor::VirtualCpu>> cpus_;
  std::deque<CpuGate> gates_;  // One per vCPU.
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_ = false;
  bool paused_ = false;           // Loop thread.
  std::optional<Clocks> clocks_;  // Loop thread: where the guest's clocks stood at the pause.

  std::optional<EndKind> ended_;
  std::string detail_;
  std::optional<Error> failure_;  // Of the host, which run() is to return.
  std::optional<wire::Exited> exited_;
  uint32_t guests_code_ = 0;  // What the guest's own first program told.
  uint64_t first_run_ns_ = 0, hello_ns_ = 0, start_sent_ns_ = 0, exited_ns_ = 0;
  wire::Hello hello_;
};

}  // namespace cloche
