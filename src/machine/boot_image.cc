// What the guest begins with: its kernel, the command line, and cloche-init.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "arch/x86_64/layout.h"
#include "boot/initramfs.h"
#include "machine/krun_bundle.h"
#include "machine/machine.h"
#include "wire/agent.h"

namespace cloche {
namespace {

constexpr size_t kMaxInitBytes = 8 << 20;  // cloche-init is under 1 MiB, the agent under 4; a larger file is not it.
constexpr size_t kSeedBytes = 32;
constexpr uint64_t kMaxInitramfs = 1 << 30;       // Distributions' are below 200 MiB; bounds what a wrong file costs.
constexpr const char* kFirstTag = "cloche-init";  // Of the file system that holds cloche-init.

// What cloche-init makes in an initramfs, and cannot make on a file system that nobody writes to.
constexpr const char* kMountPoints[] = {"dev", "lower", "memory", "overlay", "proc", "root", "stage", "sys"};

// One of the caller's. What does not fit into the guest's memory is refused when it is copied there.
Result<std::vector<std::byte>> read_initramfs(const std::string& path) {
  std::vector<std::byte> archive;
  if (path.empty()) return archive;
  Fd fd = TRY(open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("look at initramfs " + path);
  auto size = static_cast<uint64_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size > kMaxInitramfs)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("initramfs {}: not a file of at most {} MiB", path, kMaxInitramfs >> 20));
  archive.resize(size);
  archive.resize(TRY(read_full(fd.get(), archive)));
  return archive;
}

}  // namespace

Result<void> Machine::choose_way_in() {
  if (is_guests())
    way_in_ = WayIn::kNone;
  else if (TRY(is_bundle()))
    way_in_ = WayIn::kShare;
  return {};
}

Result<bool> Machine::is_bundle() const {
  if (config_.boot.kernel_format == boot::FileFormat::kBundleImage) return true;
  if (config_.boot.kernel_format != boot::FileFormat::kByContents) return false;
  return is_krun_bundle(config_.kernel_path);
}

Result<MachineShare> Machine::make_first_share() const {
  std::vector<std::pair<std::string, fs::Node>> entries;
  entries.emplace_back("init", fs::Node::file(TRY(read_text_file(config_.init_path, kMaxInitBytes)), 0755));
  if (!config_.agent_path.empty()) {
    std::string agent = TRY(read_text_file(config_.agent_path, kMaxInitBytes));
    entries.emplace_back(wire::kAgentPath + 1, fs::Node::file(std::move(agent), 0755));
  }
  for (const char* name : kMountPoints) entries.emplace_back(name, fs::Node::directory({}));
  fs::Options options{.tag = kFirstTag, .read_only = true, .cache = fs::Cache::kAlways};
  return MachineShare{std::move(options), fs::Node::directory(std::move(entries))};
}

Result<std::vector<std::byte>> Machine::make_initramfs() const {
  if (way_in_ == WayIn::kShare) return {};
  if (way_in_ == WayIn::kNone) return read_initramfs(config_.boot.initramfs_path);
  std::string init = TRY(read_text_file(config_.init_path, kMaxInitBytes));
  std::string agent;
  if (!config_.agent_path.empty()) agent = TRY(read_text_file(config_.agent_path, kMaxInitBytes));
  boot::Initramfs initramfs;
  initramfs.add_directory("dev");
  initramfs.add_device("dev/console", 0600, 5, 1);
  initramfs.add_directory("root");
  initramfs.add_file("init", std::as_bytes(std::span(init)), 0755);
  if (!agent.empty()) initramfs.add_file(wire::kAgentPath + 1, std::as_bytes(std::span(agent)), 0755);
  return initramfs.finish();
}

std::string Machine::command_line() const {
  // quiet: each console character is an exit. reboot=k: restarts through the keyboard controller, which tells an
  // orderly end from a triple fault. panic=-1: a panic restarts at once, and is recognised by what it printed.
  // noreplace-smp: with one vCPU the kernel would patch itself for it, and that costs more than the lock prefixes do.
  // swiotlb=noforce: no device here needs bounce buffers.
  std::string line = config_.boot.command_line.value_or(
      fmt::format("console=hvc{} quiet reboot=k panic=-1 no_timer_check noreplace-smp swiotlb=noforce", log_terminal_));
  if (way_in_ == WayIn::kShare) line += fmt::format(" root={} rootfstype=virtiofs ro init=/init", kFirstTag);
  for (size_t index = 0; index < transports_.size(); ++index) {
    uint64_t base = x86_64::kMmioBase + index * virtio::MmioTransport::kSize;
    line += fmt::format(" virtio_mmio.device=4K@{:#x}:{}", base,
                        x86_64::kDeviceLines[index % std::size(x86_64::kDeviceLines)]);
  }
  line += tsi_words_;
  if (!serial_consoles_.empty()) line += fmt::format(" 8250.nr_uarts={}", serial_consoles_.size());
  if (!config_.extra_command_line.empty()) line += " " + config_.extra_command_line;
  return line;
}

Result<boot::LoadedKernel> Machine::load_kernel() {
  if (config_.boot.kernel_format == boot::FileFormat::kBundleImage)
    return load_bundle_image(config_.kernel_path, memory_);
  if (TRY(is_bundle())) return load_krun_bundle(config_.bundle_reader_path, config_.kernel_path, memory_);
  return boot::load_kernel(config_.kernel_path, memory_, config_.boot.kernel_format);
}

Result<void> Machine::load_boot_image() {
  if (!config_.boot.firmware_path.empty()) {
    firmware_ = TRY(boot::load_firmware(config_.boot.firmware_path, memory_));
    return vm_->map_read_only(firmware_->region());
  }
  kernel_ = TRY(load_kernel());
  timeline_.mark("load kernel");
  std::vector<std::byte> archive = TRY(make_initramfs());
  std::array<std::byte, kSeedBytes> seed;
  TRY(fill_from_host(seed));
  TRY(x86_64::write_boot_params({kernel_, archive, command_line(), seed, config_.cpus, config_.boot.oem_strings},
                                memory_));
  timeline_.mark("write boot data");
  return {};
}

}  // namespace cloche
