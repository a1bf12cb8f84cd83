#include "api/plan.h"

#include "api/launch.h"
#include "base/self_fd.h"
#include "cloche/stub.h"

namespace cloche {

std::string Plan::pass(Fd fd) {
  descriptors.push_back(fd.get());
  owned.push_back(std::move(fd));
  return self_fd_path(kFirstPassed + static_cast<int>(descriptors.size()) - 1);
}

// A NUL would cut a text short on its way through the system calls of host and guest.
Result<void> refuse_nul(const Config& config) {
  auto check = [](std::string_view field, const std::string& text) -> Result<void> {
    if (text.find('\0') == std::string::npos) return {};
    return fail(ErrorCode::kInvalidArgument, std::string(field) + ": holds a NUL character");
  };
  for (const std::string& each : config.arguments) TRY(check("arguments", each));
  for (const std::string& each : config.environment) TRY(check("environment", each));
  for (const Share& share : config.shares) {
    TRY(check("share", share.host_path));
    TRY(check("share", share.guest_path));
  }
  for (const VsockPort& port : config.vsock_ports) TRY(check("vsock port", port.socket_path));
  for (const Network& network : config.networks) TRY(check("network", network.path));
  for (const Disk& disk : config.disks) {
    TRY(check("disk", disk.path));
    TRY(check("disk", disk.backing_path));
  }
  TRY(check("root", config.root.path));
  TRY(check("root disk", config.root.file_system));
  TRY(check("root disk", config.root.mount_options));
  TRY(check("working directory", config.working_directory));
  TRY(check("kernel", config.kernel_path));
  TRY(check("initramfs", config.initramfs_path));
  TRY(check("firmware", config.firmware_path));
  if (config.command_line) TRY(check("kernel command line", *config.command_line));
  for (const std::string& each : config.smbios_oem_strings) TRY(check("SMBIOS OEM strings", each));
  TRY(check("kernel command line", config.extra_command_line));
  return check("console", config.console_path);
}

Result<Plan> make_plan(const Config& config, const Installation& installation) {
  TRY(refuse_as_stub());
  Plan plan;
  TRY(refuse_nul(config));
  TRY(plan_size(config, plan));
  TRY(plan_boot(config, plan));
  TRY(plan_root(config, plan));
  TRY(plan_shares(config, plan));
  TRY(plan_vsock(config, plan));
  TRY(plan_disks(config, plan));
  TRY(plan_console(config, plan));
  TRY(plan_command(config, plan));
  TRY(plan_user(config, plan));
  TRY(plan_limits(config, plan));
  TRY(plan_networks(config, plan));
  TRY(plan_consoles(config, plan));
  TRY(plan_kernel(config, installation, plan));
  TRY(plan_tsi(config, plan));
  TRY(plan_vhost_user(config, plan));
  plan.vm.log_level = static_cast<uint8_t>(config.verbosity);
  return plan;
}

}  // namespace cloche
