// cloche_config: takes note of what a VM, or a sandbox, is to be.
#include <new>

#include "capi/guard.h"
#include "capi/handles.h"
#include "capi/texts.h"

using cloche::ErrorCode;
using cloche::fail;
using cloche::Result;
using namespace cloche::capi;

namespace {

// What only assigns, and cannot be wrong.
template <typename Act>
cloche_code assign(cloche_config* config, Act act) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    act(to.sandbox.vm);
    return {};
  });
}

Result<cloche::Access> access_of(cloche_access access) {
  if (access == CLOCHE_READ_WRITE) return cloche::Access::kReadWrite;
  if (access == CLOCHE_READ_ONLY) return cloche::Access::kReadOnly;
  return fail(ErrorCode::kInvalidArgument, "access: there is no such one");
}

}  // namespace

extern "C" {

cloche_config* cloche_config_create(void) {
  cloche_config* config = nullptr;
  static_cast<void>(guarded(nullptr, [&]() -> Result<void> {
    config = new cloche_config;
    return {};
  }));
  return config;
}

void cloche_config_free(cloche_config* config) { delete config; }

cloche_code cloche_config_set_arguments(cloche_config* config, const char* const* arguments) {
  return set(config, [&](cloche_config& to) { return take_texts(arguments, to.sandbox.vm.arguments); });
}

cloche_code cloche_config_set_environment(cloche_config* config, const char* const* environment) {
  return set(config, [&](cloche_config& to) { return take_texts(environment, to.sandbox.vm.environment); });
}

cloche_code cloche_config_set_working_directory(cloche_config* config, const char* path) {
  return set(config, [&](cloche_config& to) { return take_text(path, to.sandbox.vm.working_directory); });
}

cloche_code cloche_config_set_user(cloche_config* config, uint32_t uid, uint32_t gid) {
  return assign(config, [&](cloche::Config& vm) { vm.user = {.uid = uid, .gid = gid}; });
}

cloche_code cloche_config_add_limit(cloche_config* config, const char* resource, uint64_t soft, uint64_t hard) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    if (resource == nullptr) return missing("resource");
    to.sandbox.vm.limits.push_back({.resource = resource, .soft = soft, .hard = hard});
    return {};
  });
}

cloche_code cloche_config_set_streams(cloche_config* config, int input, int output, int error) {
  return assign(config, [&](cloche::Config& vm) {
    vm.streams = {.input = input, .output = output, .error = error};
    vm.input = input >= 0 ? cloche::Input::kCarried : cloche::Input::kNone;
  });
}

cloche_code cloche_config_set_terminal(cloche_config* config, uint16_t rows, uint16_t columns) {
  return assign(config, [&](cloche::Config& vm) { vm.terminal = {.rows = rows, .columns = columns}; });
}

cloche_code cloche_config_set_root(cloche_config* config, const char* directory, cloche_writes writes) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    if (directory == nullptr) return missing("directory");
    cloche::Root root{.source = cloche::RootSource::kDirectory, .path = directory};
    switch (writes) {
      case CLOCHE_WRITES_PRIVATE:
        root.writes = cloche::Writes::kPrivate;
        break;
      case CLOCHE_WRITES_REFUSED:
        root.writes = cloche::Writes::kRefused;
        break;
      case CLOCHE_WRITES_KEPT:
        root.writes = cloche::Writes::kKept;
        break;
      default:
        return fail(ErrorCode::kInvalidArgument, "writes: there is no such one");
    }
    to.sandbox.vm.root = std::move(root);
    return {};
  });
}

cloche_code cloche_config_add_share(cloche_config* config, const char* host_path, const char* guest_path,
                                    cloche_access access) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    if (host_path == nullptr || guest_path == nullptr) return missing("path");
    auto right = access_of(access);
    if (!right) return std::unexpected(std::move(right).error());
    to.sandbox.vm.shares.push_back({.host_path = host_path, .guest_path = guest_path, .access = *right});
    return {};
  });
}

cloche_code cloche_config_add_disk(cloche_config* config, const char* path, cloche_access access) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    if (path == nullptr) return missing("path");
    auto right = access_of(access);
    if (!right) return std::unexpected(std::move(right).error());
    to.sandbox.vm.disks.push_back({.path = path, .access = *right});
    return {};
  });
}

cloche_code cloche_config_add_network(cloche_config* config) {
  return assign(config, [&](cloche::Config& vm) { vm.networks.emplace_back(); });
}

cloche_code cloche_config_publish_port(cloche_config* config, uint16_t host_port, uint16_t guest_port) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    auto& networks = to.sandbox.vm.networks;
    if (networks.empty()) return fail(ErrorCode::kInvalidArgument, "port: there is no network");
    networks.back().ports.push_back({.host_port = host_port, .guest_port = guest_port});
    return {};
  });
}

cloche_code cloche_config_set_cpus(cloche_config* config, uint32_t cpus) {
  return assign(config, [&](cloche::Config& vm) { vm.cpus = cpus; });
}

cloche_code cloche_config_set_memory_mib(cloche_config* config, uint64_t memory_mib) {
  return assign(config, [&](cloche::Config& vm) { vm.memory_mib = memory_mib; });
}

cloche_code cloche_config_set_hostname(cloche_config* config, const char* hostname) {
  return set(config, [&](cloche_config& to) { return take_text(hostname, to.sandbox.vm.hostname); });
}

cloche_code cloche_config_set_timeout_ms(cloche_config* config, int64_t timeout_ms) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    auto limit = limit_of(timeout_ms);
    if (!limit) return std::unexpected(std::move(limit).error());
    to.sandbox.vm.timeout = *limit;
    return {};
  });
}

cloche_code cloche_config_set_kernel(cloche_config* config, const char* path) {
  return set(config, [&](cloche_config& to) { return take_text(path, to.sandbox.vm.kernel_path); });
}

cloche_code cloche_config_set_console(cloche_config* config, const char* path) {
  return set(config, [&](cloche_config& to) { return take_text(path, to.sandbox.vm.console_path); });
}

cloche_code cloche_config_set_installation(cloche_config* config, const char* directory) {
  return set(config, [&](cloche_config& to) { return take_text(directory, to.sandbox.vm.installation); });
}

cloche_code cloche_config_set_log(cloche_config* config, cloche_verbosity level, cloche_log_function function,
                                  void* context) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    if (static_cast<unsigned>(level) > CLOCHE_LOG_DEBUG)
      return fail(ErrorCode::kInvalidArgument, "log level: there is no such one");
    to.sandbox.vm.verbosity = static_cast<cloche::Verbosity>(level);
    to.sandbox.vm.log = {};
    if (function != nullptr)
      to.sandbox.vm.log = [function, context](cloche::Verbosity at, std::string_view line) {
        function(context, static_cast<cloche_verbosity>(at), std::string(line).c_str());
      };
    return {};
  });
}

cloche_code cloche_config_set_name(cloche_config* config, const char* name) {
  return set(config, [&](cloche_config& to) { return take_text(name, to.sandbox.name); });
}

cloche_code cloche_config_add_label(cloche_config* config, const char* name, const char* value) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    if (name == nullptr || value == nullptr) return missing("label");
    to.sandbox.labels[name] = value;
    return {};
  });
}

cloche_code cloche_config_set_stop_grace_ms(cloche_config* config, int64_t grace_ms) {
  return set(config, [&](cloche_config& to) -> Result<void> {
    auto grace = limit_of(grace_ms);
    if (!grace || !*grace) return fail(ErrorCode::kInvalidArgument, "grace: is less than 0");
    to.sandbox.stop_grace = **grace;
    return {};
  });
}

}  // extern "C"
