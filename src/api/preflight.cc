// Whether KVM can run guests here: by opening it, and by measuring it, as opening proves nothing.
#include "cloche/preflight.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "api/kvm_cache.h"
#include "base/fd.h"
#include "hypervisor/kvm/speed.h"

namespace cloche {
namespace {

constexpr const char* kDevice = "/dev/kvm";
constexpr size_t kMostText = 1 << 20;

// A word of the "flags" line in /proc/cpuinfo.
bool cpu_has(std::string_view flag) {
  std::string info = read_text_file("/proc/cpuinfo", 16 * kMostText).value_or("");
  size_t line = info.find("\nflags");
  if (line == std::string::npos) return false;
  std::string_view flags = std::string_view(info).substr(line, info.find('\n', line + 1) - line);
  return (std::string(flags) + " ").find(fmt::format(" {} ", flag)) != std::string::npos;
}

std::string remedy_for_missing() {
  if (cpu_has("vmx")) return "load its module: sudo modprobe kvm-intel";
  if (cpu_has("svm")) return "load its module: sudo modprobe kvm-amd";
  if (cpu_has("hypervisor")) return "this host is a VM itself: turn on nested virtualization where it is run";
  return "turn on virtualization (VT-x or AMD-V) in the firmware's setup";
}

// From /etc/group directly: a static program has no name service.
std::string group_name(gid_t gid) {
  std::string groups = read_text_file("/etc/group", kMostText).value_or("");
  std::string wanted = fmt::format(":{}:", gid);
  for (size_t at = 0; at < groups.size();) {
    size_t end = std::min(groups.find('\n', at), groups.size());
    std::string_view line = std::string_view(groups).substr(at, end - at);
    size_t colon = line.find(':'), second = colon == std::string_view::npos ? colon : line.find(':', colon + 1);
    if (second != std::string_view::npos && line.substr(second).starts_with(wanted))
      return std::string(line.substr(0, colon));
    at = end + 1;
  }
  return {};
}

std::string remedy_for_permission() {
  struct stat status{};
  bool for_group = ::stat(kDevice, &status) == 0 && (status.st_mode & 060) == 060 && status.st_gid != 0;
  std::string group = for_group ? group_name(status.st_gid) : "";
  if (group.empty())
    return "let this user open it: sudo chmod 666 /dev/kvm, or a udev rule that gives it to a group of yours";
  return fmt::format("join the group that may: sudo usermod -aG {} $USER, then log in again", group);
}

KvmReport judge(uint64_t speed) {
  KvmReport report{.state = KvmState::kHardware, .instructions_per_second = speed, .text = {}, .remedy = {}};
  double millions = static_cast<double>(speed) / 1e6;
  if (speed >= hypervisor::kvm::kSlowestHardware) {
    report.text = fmt::format("KVM runs the guest's kernel on the CPU ({:.0f} million instructions/s)", millions);
    return report;
  }
  report.state = KvmState::kSoftware;
  report.text = fmt::format("KVM here is software ({:.1f} million instructions/s in the guest's kernel)", millions);
  report.remedy = "use a host with hardware virtualization, or a VM with nested virtualization turned on";
  return report;
}

KvmReport broken(const Error& error) {
  return {.state = KvmState::kBroken,
          .instructions_per_second = 0,
          .text = "KVM here does not work: " + error.message(),
          .remedy = "see what the host's kernel says: sudo dmesg | grep -i kvm"};
}

}  // namespace

KvmReport check_kvm(Freshness freshness) {
  auto device = open_file(kDevice, O_RDWR);
  if (!device && device.error().code == ErrorCode::kPermission)
    return {KvmState::kNotPermitted, 0, "this user may not open /dev/kvm", remedy_for_permission()};
  if (!device && device.error().sys_errno != ENOENT && device.error().sys_errno != ENXIO &&
      device.error().sys_errno != ENODEV)
    return broken(device.error());
  if (!device) return {KvmState::kMissing, 0, "there is no KVM here (/dev/kvm)", remedy_for_missing()};
  std::string directory = private_directory();
  if (freshness == Freshness::kCached)
    if (auto speed = cached_speed(directory)) return judge(*speed);
  auto speed = hypervisor::kvm::measure_speed();
  if (!speed) return broken(speed.error());
  cache_speed(directory, *speed);
  return judge(*speed);
}

}  // namespace cloche
