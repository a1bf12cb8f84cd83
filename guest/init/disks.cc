#include "guest/init/disks.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

namespace cloche::init {
namespace {

constexpr size_t kMostText = 64 << 10;  // Of a file in /proc.

struct Flag {
  std::string_view name;
  unsigned long set, cleared;
};
constexpr Flag kFlags[] = {
    {"defaults", 0, 0},           {"rw", 0, MS_RDONLY},
    {"ro", MS_RDONLY, 0},         {"nosuid", MS_NOSUID, 0},
    {"nodev", MS_NODEV, 0},       {"noexec", MS_NOEXEC, 0},
    {"sync", MS_SYNCHRONOUS, 0},  {"dirsync", MS_DIRSYNC, 0},
    {"noatime", MS_NOATIME, 0},   {"nodiratime", MS_NODIRATIME, 0},
    {"relatime", MS_RELATIME, 0}, {"strictatime", MS_STRICTATIME, 0},
    {"lazytime", MS_LAZYTIME, 0},
};

// The word before the next `separator`, taken off `text` with it.
std::string_view take(std::string_view& text, char separator) {
  size_t end = std::min(text.find(separator), text.size());
  std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

std::string read_text(const char* path) {
  std::string text;
  int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  text.resize(kMostText);
  size_t done = 0;
  ssize_t got;
  while (done < text.size() && (got = ::read(fd, text.data() + done, text.size() - done)) > 0)
    done += static_cast<size_t>(got);
  ::close(fd);
  text.resize(done);
  return text;
}

// "\040" and the like are what /proc/mounts makes of a space, a tab, a newline and a backslash.
std::string unescape(std::string_view text) {
  auto digit = [](char each) { return each >= '0' && each <= '7'; };
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    bool escaped = text[at] == '\\' && at + 3 < text.size() && std::ranges::all_of(text.substr(at + 1, 3), digit);
    if (!escaped) {
      plain += text[at];
      continue;
    }
    plain += static_cast<char>((text[at + 1] - '0') * 64 + (text[at + 2] - '0') * 8 + (text[at + 3] - '0'));
    at += 3;
  }
  return plain;
}

}  // namespace

MountOptions parse_mount_options(std::string_view text) {
  MountOptions options;
  while (!text.empty()) {
    std::string_view word = take(text, ',');
    const Flag* flag = std::ranges::find(kFlags, word, &Flag::name);
    if (flag != std::end(kFlags)) {
      options.flags = (options.flags & ~flag->cleared) | flag->set;
    } else if (!word.empty()) {
      if (!options.data.empty()) options.data += ',';
      options.data += word;
    }
  }
  return options;
}

std::string_view next_file_system(std::string_view& text) {
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    if (line.size() > 1 && line.front() == '\t') return line.substr(1);  // Else "nodev" stands before the tab.
  }
  return {};
}

Result<void> mount_root_device(const wire::RootDevice& device, const char* path, RootUse use) {
  MountOptions options = parse_mount_options(device.options);
  if (use == RootUse::kRead) options.flags |= MS_RDONLY;
  auto mount_as = [&](const std::string& type) {
    return ::mount(device.path.c_str(), path, type.c_str(), options.flags, options.data.c_str());
  };
  std::string what = "mount the root file system on " + device.path;
  if (!device.type.empty()) {
    if (mount_as(device.type) == 0) return {};
    return failed(what + " as " + device.type);
  }
  std::string text = read_text("/proc/filesystems"), tried;
  std::string_view rest = text;
  for (std::string_view type; !(type = next_file_system(rest)).empty();) {
    std::string name(type);
    if (mount_as(name) == 0) return {};
    if (errno != EINVAL) return failed(what + " as " + name);  // It is one, and something else is wrong.
    tried += " " + name;
  }
  return failed(what + ", tried as" + tried, EINVAL);
}

std::vector<DiskMount> disk_mounts(std::string_view mounts) {
  std::vector<DiskMount> found;
  while (!mounts.empty()) {
    std::string_view line = take(mounts, '\n');
    std::string_view device = take(line, ' '), path = take(line, ' ');
    if (device.starts_with("/dev/vd")) {
      std::string_view disk = device.substr(5);
      while (disk.back() >= '0' && disk.back() <= '9') disk.remove_suffix(1);  // The number of a partition.
      found.push_back({std::string(disk), unescape(path)});
    } else if (device == "/dev/root") {
      found.push_back({"", unescape(path)});
    }
  }
  return found;
}

std::vector<DiskMount> disk_mounts() { return disk_mounts(read_text("/proc/mounts")); }

}  // namespace cloche::init
