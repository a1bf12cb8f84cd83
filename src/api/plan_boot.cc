// Whose program is the first in the guest, and what goes with a guest that brings its own.
#include <fmt/format.h>
#include <unistd.h>

#include "api/place.h"
#include "api/plan.h"
#include "arch/x86_64/smbios.h"

namespace cloche {
namespace {

// libkrun's, and what Linux asks for where its command line names no root.
constexpr const char* kRootTag = "/dev/root";

std::unexpected<Error> wrong(std::string_view why) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("guest's own first program: {}", why));
}

Result<std::string> check_file(std::string_view field, const std::string& path) {
  if (path.empty()) return path;
  Place place = TRY(find_place(field, path));
  if (!S_ISREG(place.status.st_mode))
    return fail(ErrorCode::kInvalidArgument, fmt::format("{} {}: not a regular file", field, path));
  TRY(check_readable(field, place));
  return place.path;
}

bool has_no_kernel(const Config& config) { return config.kernel_path.empty() && !config.kernel_image; }

Result<void> check_guests(const Config& config) {
  if (config.terminal) return wrong("its console is no terminal of the command's");
  if (config.root.source == RootSource::kHost || config.root.source == RootSource::kDisk)
    return wrong("the root is a directory, empty, or none; disks and the kernel's command line do the rest");
  if (config.root.source != RootSource::kNone && config.root.writes == Writes::kPrivate)
    return wrong("what it writes to its root is kept or refused; cloche has no program there that keeps it apart");
  if (!config.firmware_path.empty() && !(has_no_kernel(config) && config.initramfs_path.empty()))
    return wrong("firmware and a kernel or an initramfs do not go together");
  return {};
}

// Made once more when the machine is; here for its errors.
Result<void> check_smbios(const Config& config) {
  if (!config.smbios_oem_strings.empty() && !config.firmware_path.empty())
    return fail(ErrorCode::kInvalidArgument, "SMBIOS OEM strings: where there is firmware, they are its own");
  TRY(x86_64::make_smbios(config.smbios_oem_strings));
  return {};
}

}  // namespace

Result<void> plan_boot(const Config& config, Plan& plan) {
  wire::VmBoot& boot = plan.vm.boot;
  boot.is_guests = config.first_program == FirstProgram::kGuests;
  boot.kernel_format = static_cast<uint8_t>(config.kernel_format);
  boot.shows_nested_vms = config.nested_vms == NestedVms::kShown;
  TRY(check_smbios(config));
  boot.oem_strings = config.smbios_oem_strings;
  if (config.kernel_path.empty() && config.kernel_format != KernelFormat::kByContents)
    return fail(ErrorCode::kInvalidArgument, "kernel: it has a format, and there is none");
  if (!config.kernel_path.empty() && config.kernel_image)
    return fail(ErrorCode::kInvalidArgument, "kernel: there is one in a file and one in memory");
  if (!boot.is_guests) {
    if (config.root.source == RootSource::kNone)
      return fail(ErrorCode::kInvalidArgument, "rootfs: the command needs one");
    if (!config.initramfs_path.empty() || !config.firmware_path.empty() || config.command_line)
      return fail(ErrorCode::kInvalidArgument,
                  "initramfs, firmware and command line: for a guest with its own first program only");
    return {};
  }
  TRY(check_guests(config));
  plan.vm.root_tag = kRootTag;
  boot.initramfs_path = TRY(check_file("initramfs", config.initramfs_path));
  boot.firmware_path = TRY(check_file("firmware", config.firmware_path));
  boot.has_command_line = config.command_line.has_value();
  boot.command_line = config.command_line.value_or("");
  return {};
}

}  // namespace cloche
