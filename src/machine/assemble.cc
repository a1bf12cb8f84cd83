// The steps that put a Machine together.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/layout.h"
#include "hypervisor/kvm/kvm.h"
#include "machine/machine.h"
#include "virtio/spec.h"
#include "wire/agent.h"

namespace cloche {
namespace {

// Splits a socket into the two ends that a HostStream wants.
Result<vsock::HostStream> both_ways(Fd socket) {
  Fd copy = TRY(socket.duplicate());
  return vsock::HostStream{std::move(copy), std::move(socket)};
}

// What a kernel that knows TSI takes hold of.
std::string words_of(const vsock::TsiOptions& tsi) {
  return std::string(tsi.has_inet ? " tsi_hijack" : "") + (tsi.directories.empty() ? "" : " tsi_hijack_unix");
}

}  // namespace

Machine::Machine(MachineConfig config, Timeline timeline, std::unique_ptr<EventLoop> loop)
    : config_(std::move(config)),
      timeline_(std::move(timeline)),
      loop_(std::move(loop)),
      serial_([this](std::span<const std::byte> bytes) {
        console_log_.append(bytes);
        return Serial::Room::kMore;
      }),
      keyboard_([this] {
        cpu_ended(EndKind::kReset, "the guest restarted or powered off without reporting how its command ended");
      }),
      vsock_(*loop_, {}, config_.log),
      session_(*loop_, config_.log,
               {.hello = [this](const wire::Hello& hello) { greet(hello); },
                .exited = [this](const wire::Exited& exited) { take_report(exited); },
                .broken =
                    [this](const std::string& reason) {
                      guest_gone(EndKind::kReset, "the guest's cloche-init is gone: " + reason);
                    }}) {}

Result<std::unique_ptr<Machine>> Machine::create(MachineConfig config, Timeline timeline) {
  auto loop = TRY(EventLoop::create());
  std::unique_ptr<Machine> machine(new Machine(std::move(config), std::move(timeline), std::move(loop)));
  TRY(machine->choose_way_in());
  TRY(machine->create_memory());
  TRY(machine->create_vm());
  TRY(machine->create_devices());
  TRY(machine->load_boot_image());
  TRY(machine->create_cpus());
  return machine;
}

Result<void> Machine::create_memory() {
  auto sharing = config_.vhost_user.empty() ? GuestMemory::Sharing::kPrivate : GuestMemory::Sharing::kShared;
  memory_ = TRY(GuestMemory::create(x86_64::memory_ranges(config_.memory_mib), sharing));
  return {};
}

Result<void> Machine::create_vm() {
  vm_ = TRY(hypervisor::kvm::create_vm());
  TRY(vm_->map_memory(memory_));
  TRY(vm_->create_interrupt_chips());
  timeline_.mark("create VM");
  return {};
}

Result<void> Machine::create_devices() {
  TRY(ports_.add(I8042::kBase, I8042::kSize, keyboard_));
  if (config_.console) TRY(console_log_.tee(std::move(config_.console), ConsoleLog::Tee::kRaw));
  vsock_.set_connector([this](uint32_t port) { return connect_stream(port); });
  if (config_.tsi) {
    tsi_words_ = words_of(*config_.tsi);
    vsock_.impersonate(std::move(*config_.tsi));
  }
  // vsock first: PID 1 is waiting for it.
  if (!is_served_elsewhere(virtio::kIdVsock)) TRY(add_device(vsock_, "vsock"));
  TRY(create_consoles());
  if (way_in_ == WayIn::kShare) config_.shares.push_back(TRY(make_first_share()));
  auto descriptors = fs::Descriptors::among(config_.shares.size());
  for (MachineShare& share : config_.shares) {
    share.options.descriptors = descriptors;
    if (share.tells_exit) share.options.take_exit_code = [this](uint32_t code) { guests_code_ = code & 0xff; };
    std::string name = "fs " + share.options.tag;
    shares_.push_back(TRY(fs::Fs::create(std::move(share.options), std::move(share.root), config_.log, loop_.get())));
    TRY(add_device(*shares_.back(), std::move(name)));
  }
  // The guest names them in the order that they are found in.
  for (MachineDisk& disk : config_.disks) {
    std::string name = "disk " + disk.options.name;
    disks_.push_back(
        TRY(block::Block::create(std::move(disk.options), std::move(disk.image), config_.log, loop_.get())));
    TRY(add_device(*disks_.back(), std::move(name)));
  }
  if (!is_served_elsewhere(virtio::kIdRng)) TRY(add_device(rng_, "rng"));
  for (MachineNetwork& network : config_.networks) {
    networks_.push_back(std::make_unique<net::Net>(network.options, std::move(network.back_end), *loop_, config_.log));
    TRY(add_device(*networks_.back(), fmt::format("net {}", networks_.size() - 1)));
  }
  TRY(create_vhost_user());
  timeline_.mark("create devices");
  return {};
}

// Behind all others, whose names in the guest they leave alone: the first of them is vdb where one disk is ours.
Result<void> Machine::create_vhost_user() {
  for (MachineVhostUser& device : config_.vhost_user) {
    std::string name = device.options.name;
    auto made = vhost_user::FrontEnd::create(std::move(device.options), std::move(device.back_end),
                                             {memory_, *loop_, config_.log});
    if (!made) return std::unexpected(std::move(made).error().in(name));
    vhost_user_.push_back(std::move(*made));
    TRY(add_device(*vhost_user_.back(), std::move(name)));
  }
  return {};
}

bool Machine::is_served_elsewhere(uint32_t type) const {
  return std::ranges::any_of(config_.vhost_user,
                             [&](const MachineVhostUser& device) { return device.options.type == type; });
}

Result<void> Machine::add_device(virtio::Device& device, std::string name) {
  size_t index = transports_.size();
  uint64_t base = x86_64::kMmioBase + index * virtio::MmioTransport::kSize;
  uint32_t line = x86_64::kDeviceLines[index % std::size(x86_64::kDeviceLines)];
  irqs_.push_back(std::make_unique<VmIrq>(*vm_, line));
  GuestAddr window = TRY(place_window(device.shared_memory()));
  transports_.push_back(TRY(
      virtio::MmioTransport::create({memory_, *loop_, *irqs_.back(), config_.log, std::move(name), window}, device)));
  virtio::MmioTransport& transport = *transports_.back();
  TRY(mmio_.add(base, virtio::MmioTransport::kSize, transport));
  for (uint32_t queue = 0; queue < transport.kicks().size(); ++queue)
    TRY(vm_->connect_kick(transport.kicks()[queue], {base + virtio::MmioTransport::kNotifyOffset}, queue));
  return {};
}

Result<void> Machine::create_cpus() {
  auto supported = TRY(vm_->supported_cpuid());
  seen_repairs_.resize(config_.cpus);
  for (unsigned index = 0; index < config_.cpus; ++index) {
    cpus_.push_back(TRY(vm_->create_cpu(index)));
    gates_.emplace_back();
    auto entry = firmware_ ? std::nullopt : std::optional(kernel_.entry);
    TRY(x86_64::set_up_cpu(*cpus_.back(), supported, {index, config_.cpus, config_.boot.nested_vms}, entry));
  }
  timeline_.mark("create vCPUs");
  return {};
}

void Machine::connect_agent(Fd socket, vsock::Vsock::Done done) {
  connect_guest(wire::kAgentPort, std::move(socket), std::move(done));
}

void Machine::connect_guest(uint32_t port, Fd socket, vsock::Vsock::Done done) {
  auto stream = both_ways(std::move(socket));
  if (!stream) return done(std::unexpected(std::move(stream).error()));
  vsock_.connect(port, std::move(*stream), std::move(done));
}

Result<vsock::HostStream> Machine::connect_stream(uint32_t port) {
  vsock::HostStream stream;
  if (is_guests() && !answers_.contains(port))
    return fail(ErrorCode::kGuest, fmt::format("nothing listens on vsock port {}", port));
  switch (port) {
    case wire::kControlPort: {
      int ends[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return fail_errno("create a socket pair");
      Fd ours(ends[0]), guests(ends[1]);
      if (hello_ns_ == 0) hello_ns_ = monotonic_ns();
      TRY(session_.adopt(std::move(ours)));
      return both_ways(std::move(guests));
    }
    case wire::kStdinPort:
      stream.input = std::move(config_.input);
      break;
    case wire::kStdoutPort:
      stream.output = std::move(config_.output);
      break;
    case wire::kStderrPort:
      stream.output = std::move(config_.error);
      break;
    case wire::kTerminalPort:
      stream.input = std::move(config_.input);
      stream.output = std::move(config_.output);
      break;
    default:
      if (auto answer = answers_.find(port); answer != answers_.end()) return both_ways(TRY(answer->second()));
      break;
  }
  // Each stream is given out once; a second connect to it finds nothing.
  if (!stream.input && !stream.output)
    return fail(ErrorCode::kGuest, fmt::format("nothing listens on vsock port {}", port));
  return stream;
}

}  // namespace cloche
