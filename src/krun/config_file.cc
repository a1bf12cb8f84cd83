#include "krun/config_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace cloche::krun {
namespace {

using nlohmann::json;

constexpr size_t kMostBytes = 16 << 20;

std::vector<std::string> list_in(const json& from, const char* name) {
  auto found = from.find(name);
  return found == from.end() || found->is_null() ? std::vector<std::string>() : found->get<std::vector<std::string>>();
}

std::string text_in(const json& from, const char* name) {
  auto found = from.find(name);
  return found == from.end() || found->is_null() ? std::string() : found->get<std::string>();
}

bool says(const json& from, const char* name, const char* text) {
  auto found = from.find(name);
  return found != from.end() && found->is_string() && found->get_ref<const std::string&>() == text;
}

std::vector<std::string> memory_mounts_in(const json& whole) {
  std::vector<std::string> paths;
  auto mounts = whole.find("mounts");
  if (mounts == whole.end() || !mounts->is_array()) return paths;
  for (const json& mount : *mounts)
    if (mount.is_object() && says(mount, "type", "tmpfs") && says(mount, "source", "tmpfs"))
      if (std::string path = text_in(mount, "destination"); path.starts_with('/')) paths.push_back(std::move(path));
  return paths;
}

// The root may be anybody's: nothing in it leads out of it, and a pipe is not waited for.
int open_beneath(const std::string& root, const std::string& name) {
  int directory = ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return -1;
  open_how how{};
  how.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT;
  auto file = static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how));
  ::close(directory);
  return file;
}

}  // namespace

std::optional<ConfiguredProcess> parse_config(const std::string& text) try {
  json whole = json::parse(text);
  if (!whole.is_object()) return std::nullopt;
  const json& process = whole.contains("process") ? whole.at("process") : whole;
  if (process.contains("args") || process.contains("env") || process.contains("cwd"))
    return ConfiguredProcess{list_in(process, "args"), list_in(process, "env"), text_in(process, "cwd"),
                             memory_mounts_in(whole)};
  const json& image = whole.contains("Config") ? whole.at("Config") : whole;
  if (!image.contains("Cmd") && !image.contains("Entrypoint") && !image.contains("Env")) return std::nullopt;
  ConfiguredProcess found{list_in(image, "Entrypoint"), list_in(image, "Env"), text_in(image, "WorkingDir")};
  std::ranges::copy(list_in(image, "Cmd"), std::back_inserter(found.arguments));
  return found;
} catch (const json::exception&) {
  return std::nullopt;
}

std::optional<ConfiguredProcess> read_config(const std::string& root, const std::string& name) {
  int file = open_beneath(root, name);
  struct stat status{};
  std::string text;
  if (file >= 0 && ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
      static_cast<size_t>(status.st_size) <= kMostBytes) {
    text.resize(static_cast<size_t>(status.st_size));
    size_t got = 0;
    for (ssize_t part = 1; got < text.size() && part > 0; got += static_cast<size_t>(std::max<ssize_t>(part, 0)))
      part = ::read(file, text.data() + got, text.size() - got);
    text.resize(got);
  }
  if (file >= 0) ::close(file);
  return parse_config(text);
}

}  // namespace cloche::krun
