// What this host offers for running VMs, measured, and what to do where it falls short.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cloche {

enum class KvmState : uint8_t {
  kHardware,      // The CPU runs the guest's kernel.
  kSoftware,      // /dev/kvm is there, and emulates the guest's kernel: no VM of ours can run on it.
  kMissing,       // No /dev/kvm.
  kNotPermitted,  // This user may not open /dev/kvm.
  kBroken,        // /dev/kvm does not do what it should.
};

struct KvmReport {
  KvmState state = KvmState::kMissing;
  uint64_t instructions_per_second = 0;  // In the guest's kernel mode, measured; 0 where it could not be.
  std::string text{};                    // One clause for people: "KVM here is software (1.1 million instructions/s)".
  std::string remedy{};                  // What to do about it; empty where nothing is wrong.
};

enum class Freshness : uint8_t {
  kCached,    // A measurement of this boot of the host is good enough.
  kMeasured,  // Measure now.
};

// Whether VMs can run here. Takes a few ms the first time after the host's boot.
KvmReport check_kvm(Freshness freshness = Freshness::kCached);

enum class CheckState : uint8_t {
  kGood,
  kNote,    // Worth knowing; nothing needs it.
  kFailed,  // What needs it does not work.
};

// One precondition, looked at.
struct Check {
  std::string name{};  // "kvm", "kernel" ...: stable.
  CheckState state = CheckState::kGood;
  std::string found{};
  std::string remedy{};  // Empty where nothing is to be done.
};

struct HostReport {
  std::vector<Check> checks{};
  bool runs_directly = false;    // `cloche run` works with this host's KVM.
  bool runs_in_machine = false;  // It works in the emulated machine.
};

// Looks at everything that running VMs needs. `installation` as in Config.
HostReport examine_host(const std::string& installation = {});

}  // namespace cloche
