// Everything that running VMs needs, looked at one by one: what `cloche doctor` shows.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "api/installation.h"
#include "base/fd.h"
#include "cloche/preflight.h"
#include "cloche/stub.h"
#include "sandbox/cgroup.h"

namespace cloche {
namespace {

constexpr uint64_t kDefaultVmMib = 512;
constexpr const char* kQemu = "qemu-system-x86_64";
constexpr const char* kRemedyForStub = "use a cloche that was built without CLOCHE_STUB, and unset that variable";
constexpr const char* kRebuild = "build or install cloche again (./dev build)";

// Runs `program` (looked up in PATH) with `arguments`; its standard output, where it ends well.
Result<std::string> output_of(std::vector<std::string> arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return fail_errno("create a pipe");
  Fd read_end(ends[0]), write_end(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  pid_t pid = -1;
  int error = ::posix_spawnp(&pid, pointers[0], &actions, nullptr, pointers.data(), ::environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail_errno("start " + arguments[0], error);
  write_end.reset();
  std::string text(4096, '\0');
  auto got = read_full(read_end.get(), std::as_writable_bytes(std::span(text)));
  text.resize(got.value_or(0));
  read_end.reset();
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fail(ErrorCode::kHost, arguments[0] + " failed");
  return text;
}

std::string find_program(std::string_view name) {
  const char* variable = std::getenv("PATH");
  std::string_view path = variable == nullptr ? "/usr/local/bin:/usr/bin:/bin" : variable;
  while (!path.empty()) {
    size_t colon = std::min(path.find(':'), path.size());
    std::string candidate = std::string(path.substr(0, colon)).append("/").append(name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    path.remove_prefix(std::min(colon + 1, path.size()));
  }
  return {};
}

Check check_host_memory() {
  struct sysinfo host{};
  Check check{.name = "memory", .state = CheckState::kGood, .found = {}, .remedy = {}};
  if (::sysinfo(&host) < 0) return {"memory", CheckState::kNote, "unknown", ""};
  uint64_t whole = (uint64_t{host.totalram} * host.mem_unit) >> 20;
  check.found = fmt::format("{} MiB, {} CPUs", whole, ::sysconf(_SC_NPROCESSORS_ONLN));
  if (whole < kDefaultVmMib) {
    check.state = CheckState::kNote;
    check.remedy = fmt::format("a VM has {} MiB unless told otherwise: use --memory", kDefaultVmMib);
  }
  return check;
}

Check check_file(std::string name, const std::string& path, int need) {
  if (::access(path.c_str(), need) == 0) return {std::move(name), CheckState::kGood, path, ""};
  return {std::move(name), CheckState::kFailed,
          fmt::format("{}: {}", path, ::access(path.c_str(), F_OK) == 0 ? "not usable" : "missing"), kRebuild};
}

// A kernel image of ours, by its digest, which was fixed when cloche was built.
Check check_image(std::string name, const std::string& path, std::string_view digest) {
  Check check = check_file(std::move(name), path, R_OK);
  if (check.state != CheckState::kGood) return check;
  auto line = output_of({"sha256sum", "--", path});
  if (!line) {
    check.state = CheckState::kNote;
    check.found += ", not compared with its digest: " + line.error().message();
  } else if (!line->starts_with(digest)) {
    check.state = CheckState::kFailed;
    check.found += fmt::format(": its digest is {} and not {}", line->substr(0, 12), digest.substr(0, 12));
    check.remedy = kRebuild;
  } else {
    check.found += fmt::format(" (sha256 {}...)", digest.substr(0, 12));
  }
  return check;
}

Check check_qemu() {
  std::string qemu = find_program(kQemu);
  if (!qemu.empty()) return {"qemu", CheckState::kGood, qemu, ""};
  return {"qemu", CheckState::kFailed, fmt::format("{} is not in PATH", kQemu), "sudo apt-get install qemu-system-x86"};
}

// --cpus-limit and its like.
Check check_limits() {
  auto place = sandbox::examine_cgroups();
  if (place) return {"limits", CheckState::kGood, "control groups can be made in " + *place, ""};
  return {"limits", CheckState::kNote, "sandboxes cannot be limited: " + place.error().message(),
          "for limits, start cloche where cgroup v2 is delegated: systemd-run --user --scope -p Delegate=yes"};
}

bool good(const Check& check) { return check.state != CheckState::kFailed; }

// A failure of what the other way does without is only worth a note.
void soften(Check& check) {
  if (check.state == CheckState::kFailed) check.state = CheckState::kNote;
}

Check kvm_check(const KvmReport& kvm) {
  CheckState state = kvm.state == KvmState::kHardware ? CheckState::kGood : CheckState::kFailed;
  return {"kvm", state, kvm.text, kvm.remedy};
}

}  // namespace

HostReport examine_host(const std::string& installation) {
  Installation paths = find_installation(installation);
  Check kvm = kvm_check(check_kvm(Freshness::kMeasured));
  Check vmm = check_file("cloche-vmm", paths.vmm, X_OK);
  Check reader = check_file("bundle-reader", paths.bundle_reader, X_OK);
  Check init = check_file("cloche-init", paths.init, R_OK);
  Check kernel = check_image("kernel", paths.kernel, CLOCHE_GUEST_DIGEST);
  Check machine = check_image("machine-kernel", paths.machine_kernel, CLOCHE_MACHINE_DIGEST);
  Check qemu = check_qemu();

  HostReport report;
  bool parts = good(vmm) && good(init) && good(kernel);
  report.runs_directly = parts && good(kvm);
  report.runs_in_machine = parts && good(machine) && good(qemu);
  soften(reader);  // Only --kernel with a libkrunfw library needs it.
  if (report.runs_in_machine) soften(kvm);
  if (report.runs_directly) {
    soften(machine);
    soften(qemu);
  }
  report.checks = {kvm, check_host_memory(), kernel, init, vmm, reader, machine, qemu, check_limits()};
  if (auto done = refuse_as_stub(); !done) {
    report.runs_directly = report.runs_in_machine = false;
    report.checks.insert(report.checks.begin(), {"stub", CheckState::kFailed, done.error().message(), kRemedyForStub});
  }
  return report;
}

}  // namespace cloche
