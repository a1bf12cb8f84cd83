// What main.cc hands to a subcommand, and what a subcommand is: a function that returns the process's exit code.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cloche/config.h"

namespace cloche::cli {

inline constexpr int kOurs = 125;  // Whatever is not the workload's own end.

struct Invocation {
  std::span<const std::string> whole{};      // The command line as it was, the program's name first.
  std::span<const std::string> arguments{};  // What follows the subcommand's name.
  Verbosity verbosity = Verbosity::kWarning;
  uint64_t began_ns = 0;  // When main() began, CLOCK_MONOTONIC.
};

int run_command(const Invocation& invocation);         // run.cc
int doctor_command(const Invocation& invocation);      // doctor.cc
int completion_command(const Invocation& invocation);  // completion.cc
int version_command(const Invocation& invocation);     // version.cc

}  // namespace cloche::cli
