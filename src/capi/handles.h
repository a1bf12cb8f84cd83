// What is behind the opaque types of cloche.h.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "cloche.h"
#include "cloche/result.h"
#include "cloche/sandbox.h"
#include "cloche/vm.h"

struct cloche_error {
  cloche::Error error;
  std::string message;
};

struct cloche_outcome {
  cloche::ExitStatus status{};
  std::string text{}, console_tail{};
  bool timed_out = false;
};

struct cloche_config {
  cloche::SandboxConfig sandbox{};  // A VM is made of its `vm` alone.
};

struct cloche_command {
  cloche::ExecConfig exec{};
};

struct cloche_vm {
  explicit cloche_vm(cloche::Vm started) : vm(std::move(started)) {}

  std::mutex mutex;  // Of all below; a Vm is for one thread at a time.
  cloche::Vm vm;
  bool is_paused = false;
  // How it has ended, once it has. Neither changes then, so that pointers into them last.
  std::optional<cloche_outcome> outcome{};
  std::optional<cloche::Error> failure{};
};

struct cloche_sandbox {
  cloche::Sandbox sandbox;
};

struct cloche_info {
  cloche::SandboxInfo info{};
};

struct cloche_exec {
  cloche::Exec exec;
  std::optional<cloche_outcome> outcome{};
};
