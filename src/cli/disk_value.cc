// The values of --disk and --root-disk: PATH[:ro][,OPTION...].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/values.h"

namespace cloche::cli {
namespace {

struct Choice {
  std::string_view name;
  void (*choose)(Disk&);
};

constexpr std::array<Choice, 11> kChoices{{
    {"ro", [](Disk& disk) { disk.access = Access::kReadOnly; }},
    {"rw", [](Disk& disk) { disk.access = Access::kReadWrite; }},
    {"format=auto", [](Disk& disk) { disk.format = DiskFormat::kByName; }},
    {"format=raw", [](Disk& disk) { disk.format = DiskFormat::kRaw; }},
    {"format=qcow2", [](Disk& disk) { disk.format = DiskFormat::kQcow2; }},
    {"format=vmdk", [](Disk& disk) { disk.format = DiskFormat::kVmdk; }},
    {"sync=none", [](Disk& disk) { disk.sync = DiskSync::kNone; }},
    {"sync=relaxed", [](Disk& disk) { disk.sync = DiskSync::kRelaxed; }},
    {"sync=full", [](Disk& disk) { disk.sync = DiskSync::kFull; }},
    {"direct", [](Disk& disk) { disk.cache = DiskCache::kNone; }},
    {"direct=no", [](Disk& disk) { disk.cache = DiskCache::kHost; }},
}};

constexpr const char* kOptions =
    "ro, rw, format=auto|raw|qcow2|vmdk, sync=none|relaxed|full, direct, serial=, backing=";
constexpr const char* kRootOptions = ", fstype=, mount=";

// What --root-disk knows besides.
struct RootOptions {
  std::string file_system;
  std::string mount_options;
};

bool take_text(std::string_view option, std::string_view name, std::string& place) {
  if (!option.starts_with(name)) return false;
  place = option.substr(name.size());
  return true;
}

bool take_option(std::string_view option, Disk& disk, RootOptions* root) {
  auto choice = std::ranges::find(kChoices, option, &Choice::name);
  if (choice != kChoices.end()) {
    choice->choose(disk);
    return true;
  }
  if (take_text(option, "serial=", disk.serial) || take_text(option, "backing=", disk.backing_path)) return true;
  if (root == nullptr) return false;
  std::string mount;
  if (take_text(option, "mount=", mount)) {
    root->mount_options.append(root->mount_options.empty() ? "" : ",").append(mount);
    return true;
  }
  return take_text(option, "fstype=", root->file_system);
}

Result<Disk> parse(const std::string& text, RootOptions* root) {
  auto wrong = [&](std::string_view why) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}': {}; write PATH or PATH,OPTION,...", text, why));
  };
  Disk disk;
  std::string_view rest = text;
  size_t comma = std::min(rest.find(','), rest.size());
  std::string_view path = rest.substr(0, comma);
  for (std::string_view access : {":ro", ":rw"}) {
    if (!path.ends_with(access)) continue;
    take_option(access.substr(1), disk, nullptr);
    path.remove_suffix(access.size());
    break;
  }
  if (path.empty()) return wrong("the path is missing");
  disk.path = path;
  while (comma < rest.size()) {
    rest.remove_prefix(comma + 1);
    comma = std::min(rest.find(','), rest.size());
    std::string_view option = rest.substr(0, comma);
    if (!take_option(option, disk, root))
      return wrong(
          fmt::format("'{}' is not an option; there are {}{}", option, kOptions, root == nullptr ? "" : kRootOptions));
  }
  return disk;
}

}  // namespace

Result<Disk> parse_disk(const std::string& text) { return parse(text, nullptr); }

Result<void> parse_root_disk(const std::string& text, Config& config) {
  RootOptions options;
  Result<Disk> disk = parse(text, &options);
  if (!disk) return std::unexpected(std::move(disk).error());
  if (config.root.source == RootSource::kDisk) return fail(ErrorCode::kInvalidArgument, "there can be one root only");
  bool refused = config.root.writes == Writes::kRefused, read_only = disk->access == Access::kReadOnly;
  config.root = {.source = RootSource::kDisk,
                 .writes = refused     ? Writes::kRefused
                           : read_only ? Writes::kPrivate
                                       : Writes::kKept,
                 .disk = static_cast<uint32_t>(config.disks.size()),
                 .file_system = std::move(options.file_system),
                 .mount_options = std::move(options.mount_options)};
  config.disks.push_back(std::move(*disk));
  return {};
}

}  // namespace cloche::cli
