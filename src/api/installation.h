// Where cloche's own programs and images lie.
#pragma once

#include <string>

namespace cloche {

struct Installation {
  std::string vmm;             // The program of one VM's process.
  std::string bundle_reader;   // The program that opens a libkrunfw library.
  std::string kernel;          // The guest's kernel.
  std::string machine_kernel;  // The emulated machine's kernel.
  std::string init;            // cloche-init, the guest's first process.
  std::string agent;           // cloche-agent, what a sandbox's guest runs,
  std::string kelpie_agent;    // and what it runs with a kelpie port.
};

// What to do where one of these is missing.
inline constexpr const char* kReinstall = "build or install cloche again (./dev build)";

// From the directory `given`; where that is empty, from the one the running program lies in when that is cloche itself;
// else from $CLOCHE_VMM, the path of cloche-vmm in an installation; else from the one the program lies in where there
// is one; else from where cloche is installed.
Installation find_installation(const std::string& given);

}  // namespace cloche
