// A control group (cgroup v2) for the process of one sandbox: what that may have of the host.
//
// A group that divides its resources among groups below it may hold no process itself, the root group apart. So ours
// becomes the neighbour of its maker's group, or of one above that: the first whose resources he may divide, which is
// where a login or a service of systemd was delegated to him (cgroups(7), "Delegation").
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "wire/vmm.h"

namespace cloche::sandbox {

// Where groups are: what the kernel says of the calling process.
struct CgroupPlace {
  std::string top;   // The directory where cgroup v2 is mounted.
  std::string path;  // Of the process's group in it: "/", "/a/b".
};
// From the texts of /proc/self/cgroup and /proc/self/mountinfo. kUnavailable, with what is missing.
Result<CgroupPlace> find_cgroup(const std::string& groups, const std::string& mounts);

bool has_limits(const wire::VmLimits& limits);
// Those that the limits need: "cpu", "memory", "pids".
std::vector<std::string> controllers_of(const wire::VmLimits& limits);
// The directory below which a group with these controllers can be made; turns them on there where they are not.
// kUnavailable or kPermission, with what is missing where.
Result<std::string> find_parent(const CgroupPlace& place, const std::vector<std::string>& controllers);
// Whether that could be done, for the calling process and all limits, without doing it: where, or why not.
Result<std::string> examine_cgroups();

// Puts the calling process into a group of its own with these limits, and notes in `run_directory` where that is.
Result<void> enter_cgroup(const wire::VmLimits& limits, const std::string& id, const std::string& run_directory);
// The calling process goes back to where it came from, where that is still there, and its group goes.
void leave_cgroup(const std::string& run_directory);
// Removes the group of a process that is gone.
void remove_cgroup(const std::string& run_directory);

}  // namespace cloche::sandbox
