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
int create_command(const Invocation& invocation);      // create.cc
int start_command(const Invocation& invocation);       // verbs.cc
int stop_command(const Invocation& invocation);        // verbs.cc
int restart_command(const Invocation& invocation);     // verbs.cc
int kill_command(const Invocation& invocation);        // verbs.cc
int pause_command(const Invocation& invocation);       // verbs.cc
int resume_command(const Invocation& invocation);      // verbs.cc
int rm_command(const Invocation& invocation);          // verbs.cc
int wait_command(const Invocation& invocation);        // verbs.cc
int rename_command(const Invocation& invocation);      // verbs.cc
int signal_command(const Invocation& invocation);      // verbs.cc
int attach_command(const Invocation& invocation);      // attach.cc
int stats_command(const Invocation& invocation);       // stats.cc
int top_command(const Invocation& invocation);         // top.cc
int prune_command(const Invocation& invocation);       // prune.cc
int exec_command(const Invocation& invocation);        // exec.cc
int cp_command(const Invocation& invocation);          // cp.cc
int ps_command(const Invocation& invocation);          // ps.cc
int inspect_command(const Invocation& invocation);     // inspect.cc
int logs_command(const Invocation& invocation);        // logs.cc
int pool_command(const Invocation& invocation);        // pool.cc
int events_command(const Invocation& invocation);      // events.cc
int doctor_command(const Invocation& invocation);      // doctor.cc
int completion_command(const Invocation& invocation);  // completion.cc
int version_command(const Invocation& invocation);     // version.cc

}  // namespace cloche::cli
