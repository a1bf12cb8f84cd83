#include "krun/plan_boot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string_view>

#include "libkrun.h"

namespace cloche::krun {
namespace {

// libkrun's: its init is /init.krun on a virtio-fs with the tag "/dev/root", and says nothing where all is well.
constexpr const char* kBegin =
    "reboot=k panic=-1 panic_print=0 nomodule console=hvc0 rootfstype=virtiofs rw quiet no-kvmapf init=/init.krun";
constexpr uint64_t kRawKernelMib = 2048;  // Where raw kernels begin.
// What Linux hands on to its first program, HOME and TERM apart (CONFIG_INIT_ENV_ARG_LIMIT, as everybody has it). With
// more it panics before it has a console, and its restart would pass for a good end.
constexpr size_t kMostVariables = 31, kMostArguments = 32;

bool is_guests(const Context& context) {
  auto is_root = [](const FileSystem& each) { return each.tag == KRUN_FS_ROOT_TAG; };
  bool has_root = context.root_disk || std::ranges::any_of(context.file_systems, is_root);
  return !context.has_implicit_init || !context.initramfs_path.empty() || !context.firmware_path.empty() ||
         (!context.kernel_path.empty() && !has_root);
}

// Linux takes quotes away that begin and end a word; there is no way to write one that lies inside.
Result<void> append(std::string& line, std::string_view word) {
  auto fits = [](char each) { return each != '"' && static_cast<unsigned char>(each) >= ' '; };
  if (!std::ranges::all_of(word, fits))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' holds a quote or a control character, which a kernel's command line cannot", word),
                EINVAL);
  line += fmt::format(" \"{}\"", word);
  return {};
}

std::string limits_of(const Context& context) {
  std::string text;
  for (const std::string& limit : context.limit_words) text += (text.empty() ? "" : ",") + limit;
  return text;
}

// libkrun's words for its init, and the environment.
std::vector<std::string> variables_of(const Context& context) {
  std::vector<std::string> variables;
  auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) variables.push_back(fmt::format("{}={}", name, value));
  };
  if (context.root_disk) {
    add("KRUN_BLOCK_ROOT_DEVICE", fmt::format("/dev/vd{}", static_cast<char>('a' + context.root_disk->number)));
    add("KRUN_BLOCK_ROOT_FSTYPE", context.root_disk->file_system);
    add("KRUN_BLOCK_ROOT_OPTIONS", context.root_disk->mount_options);
  }
  add("KRUN_INIT", context.program.value_or(""));
  add("KRUN_WORKDIR", context.working_directory.value_or(""));
  add("KRUN_RLIMITS", limits_of(context));
  if (context.environment) std::ranges::copy(*context.environment, std::back_inserter(variables));
  return variables;
}

// The kernel has its own of these two, and takes ours in their place.
bool is_counted(std::string_view variable) { return !variable.starts_with("HOME=") && !variable.starts_with("TERM="); }

}  // namespace

Result<void> plan_boot(const Context& context, Config& config) {
  config.first_program = is_guests(context) ? FirstProgram::kGuests : FirstProgram::kCloche;
  config.nested_vms = context.nested_vms;
  config.firmware_path = context.firmware_path;
  if (!context.firmware_path.empty()) return {};
  config.smbios_oem_strings = context.smbios_oem_strings;
  config.kernel_path = context.kernel_path;
  if (context.kernel_path.empty()) config.kernel_image = context.bundle;
  config.kernel_format = context.kernel_format;
  config.initramfs_path = context.initramfs_path;
  config.extra_command_line = context.extra_command_line;
  if (config.first_program == FirstProgram::kCloche && context.command_line)
    config.extra_command_line = *context.command_line + config.extra_command_line;
  if (context.kernel_format != KernelFormat::kRaw) return {};
  // As with libkrun, what lies below a raw kernel, and itself, is there besides the memory that was asked for.
  std::error_code error;
  uintmax_t size = std::filesystem::file_size(context.kernel_path, error);
  if (!error) config.memory_mib += kRawKernelMib + (size >> 20) + 1;
  return {};
}

Result<void> plan_guests_command_line(const Context& context, Config& config) {
  if (!context.firmware_path.empty()) return {};
  config.command_line = context.command_line.value_or(kBegin);
  std::string& line = config.extra_command_line;
  std::vector<std::string> variables = variables_of(context);
  auto asks = [](const Network& network) { return network.dhcp == Dhcp::kOn; };
  if (std::ranges::any_of(config.networks, asks)) variables.emplace_back("KRUN_DHCP=1");
  if (std::ranges::count_if(variables, is_counted) > std::ptrdiff_t{kMostVariables} ||
      context.arguments.size() > kMostArguments)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a kernel's command line has {} variables and {} arguments at most", kMostVariables,
                            kMostArguments),
                E2BIG);
  for (const std::string& variable : variables)
    if (auto added = append(line, variable); !added) return added;
  if (context.arguments.empty()) return {};
  line += " --";
  for (const std::string& argument : context.arguments)
    if (auto added = append(line, argument); !added) return added;
  return {};
}

}  // namespace cloche::krun
