// A Config, checked field by field and turned into what the VM's process takes. Nothing is created here.
#pragma once

#include <string>
#include <vector>

#include "api/installation.h"
#include "base/fd.h"
#include "base/result.h"
#include "cloche/config.h"
#include "wire/vmm.h"

namespace cloche {

struct Plan {
  wire::VmConfig vm;
  bool has_own_kernel = false;     // The installation's.
  std::vector<std::string> notes;  // What is allowed and worth a warning.
  std::vector<int> descriptors;    // What the VM's process is to have besides: from kFirstPassed on.
  std::vector<Fd> owned;           // Those of `descriptors` that are not the caller's.

  // From here on the VM's process has `fd`; its path there.
  std::string pass(Fd fd);
};

// The first wrong field of `config` as an error that names it, its value and what to do.
Result<Plan> make_plan(const Config& config, const Installation& installation);

Result<void> refuse_nul(const Config& config);
// The parts of make_plan(); each checks some fields and fills in the plan from them.
Result<void> plan_size(const Config& config, Plan& plan);      // plan_size.cc
Result<void> plan_root(const Config& config, Plan& plan);      // plan_paths.cc
Result<void> plan_shares(const Config& config, Plan& plan);    // plan_paths.cc
Result<void> plan_console(const Config& config, Plan& plan);   // plan_paths.cc
Result<void> plan_command(const Config& config, Plan& plan);   // plan_command.cc
Result<void> plan_user(const Config& config, Plan& plan);      // plan_command.cc, after plan_root
Result<void> plan_limits(const Config& config, Plan& plan);    // plan_limits.cc
Result<void> plan_networks(const Config& config, Plan& plan);  // plan_network.cc
Result<void> plan_vsock(const Config& config, Plan& plan);     // plan_vsock.cc
Result<void> plan_disks(const Config& config, Plan& plan);     // plan_disks.cc, after plan_shares
Result<void> plan_boot(const Config& config, Plan& plan);      // plan_boot.cc, before plan_shares
Result<void> plan_kernel(const Config& config, const Installation& installation, Plan& plan);  // plan_kernel.cc
// plan_consoles.cc, after plan_boot and plan_command
Result<void> plan_consoles(const Config& config, Plan& plan);
Result<void> plan_tsi(const Config& config, Plan& plan);         // plan_tsi.cc, after plan_kernel and plan_vsock
Result<void> plan_vhost_user(const Config& config, Plan& plan);  // plan_vhost_user.cc, after plan_disks

}  // namespace cloche
