#include "base/private_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace cloche {
namespace {

bool is_ours(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == ::geteuid();
}

}  // namespace

Result<void> private_directory(const std::string& path, mode_t forbidden) {
  if (::mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) return fail_errno("create " + path);
  struct stat found{};
  if (::lstat(path.c_str(), &found) < 0) return fail_errno("look at " + path);
  if (!S_ISDIR(found.st_mode)) return fail(ErrorCode::kPermission, path + " is not a directory: remove it");
  if (found.st_uid != ::geteuid())
    return fail(ErrorCode::kPermission,
                fmt::format("{} belongs to user {}, not to you: it is not safe to use", path, found.st_uid));
  if ((found.st_mode & forbidden) != 0)
    return fail(ErrorCode::kPermission, path + " is open to others: chmod 700 it, or remove it");
  return {};
}

Result<std::string> runtime_directory() {
  const char* set = ::getenv("XDG_RUNTIME_DIR");
  std::string usual = fmt::format("/run/user/{}", ::geteuid());
  std::string path = fmt::format("/tmp/cloche-{}", ::geteuid());
  if (set != nullptr && set[0] == '/' && is_ours(set))
    path = std::string(set) + "/cloche";
  else if (is_ours(usual))
    path = usual + "/cloche";
  TRY(private_directory(path, S_IWGRP | S_IWOTH));
  return path;
}

Result<void> write_private_file(const std::string& path, std::span<const std::byte> contents) {
  std::string partial = fmt::format("{}.{}", path, ::getpid());
  ::unlink(partial.c_str());
  Fd file = TRY(open_file(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
  auto written = write_full(file.get(), contents);
  if (written && ::rename(partial.c_str(), path.c_str()) == 0) return {};
  int error = written ? errno : written.error().sys_errno;
  ::unlink(partial.c_str());
  return fail_errno("write " + path, error);
}

}  // namespace cloche
