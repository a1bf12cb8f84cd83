// cloche_command: takes note of what a further command in a sandbox is to be.
#include <new>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/texts.h"

using cloche::Result;
using namespace cloche::capi;

namespace {

// What only assigns, and cannot be wrong.
template <typename Act>
cloche_code assign(cloche_command* command, Act act) {
  return set(command, [&](cloche_command& to) -> Result<void> {
    act(to.exec);
    return {};
  });
}

}  // namespace

extern "C" {

cloche_command* cloche_command_create(void) {
  cloche_command* command = nullptr;
  static_cast<void>(guarded(nullptr, [&]() -> Result<void> {
    command = new cloche_command;
    return {};
  }));
  return command;
}

void cloche_command_free(cloche_command* command) { delete command; }

cloche_code cloche_command_set_arguments(cloche_command* command, const char* const* arguments) {
  return set(command, [&](cloche_command& to) { return take_texts(arguments, to.exec.arguments); });
}

cloche_code cloche_command_set_environment(cloche_command* command, const char* const* environment) {
  return set(command, [&](cloche_command& to) { return take_texts(environment, to.exec.environment); });
}

cloche_code cloche_command_set_working_directory(cloche_command* command, const char* path) {
  return set(command, [&](cloche_command& to) -> Result<void> {
    if (path == nullptr) return missing("path");
    to.exec.working_directory = path;
    return {};
  });
}

cloche_code cloche_command_set_user(cloche_command* command, uint32_t uid, uint32_t gid) {
  return assign(command, [&](cloche::ExecConfig& exec) { exec.user = {.uid = uid, .gid = gid}; });
}

cloche_code cloche_command_set_streams(cloche_command* command, int input, int output, int error) {
  return assign(command, [&](cloche::ExecConfig& exec) {
    exec.streams = {.input = input, .output = output, .error = error};
    exec.input = input >= 0 ? cloche::Input::kCarried : cloche::Input::kNone;
  });
}

cloche_code cloche_command_set_terminal(cloche_command* command, uint16_t rows, uint16_t columns) {
  return assign(command, [&](cloche::ExecConfig& exec) { exec.terminal = {.rows = rows, .columns = columns}; });
}

cloche_code cloche_command_set_output(cloche_command* command, cloche_output_function function, void* context) {
  return assign(command, [&](cloche::ExecConfig& exec) {
    exec.on_output = exec.on_error = {};
    if (function == nullptr) return;
    auto hand_over = [function, context](bool is_error) {
      return [function, context, is_error](std::span<const std::byte> bytes) {
        function(context, is_error, bytes.data(), bytes.size());
      };
    };
    exec.on_output = hand_over(false);
    exec.on_error = hand_over(true);
  });
}

cloche_code cloche_command_set_timeout_ms(cloche_command* command, int64_t timeout_ms) {
  return set(command, [&](cloche_command& to) -> Result<void> {
    auto limit = limit_of(timeout_ms);
    if (!limit) return std::unexpected(std::move(limit).error());
    to.exec.timeout = *limit;
    return {};
  });
}

}  // extern "C"
