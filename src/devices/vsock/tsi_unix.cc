#include "devices/vsock/tsi_unix.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/self_fd.h"

namespace cloche::vsock {
namespace {

std::unexpected<Error> refused(int error) { return fail(ErrorCode::kGuest, "a UNIX socket", error); }

// `path` beneath `directory`, without a slash before it; nothing: it is not there.
std::optional<std::string_view> beneath(const TsiDirectory& directory, std::string_view path) {
  if (directory.path == "/") return path.starts_with('/') ? std::optional(path.substr(1)) : std::nullopt;
  size_t size = directory.path.size();
  if (!path.starts_with(directory.path) || path.size() <= size + 1 || path[size] != '/') return std::nullopt;
  return path.substr(size + 1);
}

struct Found {
  const TsiDirectory* directory = nullptr;
  std::string rest;
};

// The one that says most of the path.
Result<Found> find_directory(std::span<const TsiDirectory> directories, std::string_view path) {
  Found found;
  for (const TsiDirectory& directory : directories) {
    auto rest = beneath(directory, path);
    if (!rest || (found.directory != nullptr && found.directory->path.size() > directory.path.size())) continue;
    found = {&directory, std::string(*rest)};
  }
  if (found.directory == nullptr || found.rest.empty()) return refused(EACCES);
  return found;
}

// Links that lead anywhere are followed in a directory that is the whole host; in others, those that stay beneath it.
Result<Fd> open_beneath(const TsiDirectory& directory, const std::string& rest, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(O_PATH | O_CLOEXEC | flags);
  how.resolve = RESOLVE_NO_MAGICLINKS | (directory.path == "/" ? RESOLVE_IN_ROOT : RESOLVE_BENEATH);
  Fd fd(static_cast<int>(::syscall(SYS_openat2, directory.fd.get(), rest.c_str(), &how, sizeof how)));
  if (!fd) return refused(errno == EXDEV ? EACCES : errno);
  return fd;
}

// A path that leads to what `fd` is, or to `name` in it.
sockaddr_un address_of(const Fd& fd, std::string_view name = {}) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = self_fd_path(fd.get());
  if (!name.empty()) path.append("/").append(name);
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

bool is_socket(const Fd& fd) {
  struct stat status{};
  return ::fstat(fd.get(), &status) == 0 && S_ISSOCK(status.st_mode);
}

bool is_served(const sockaddr_un& address, int type) {
  Fd probe(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return true;
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
         errno != ECONNREFUSED;
}

int bind_to(int socket, const sockaddr_un& address) {
  return ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? errno : 0;
}

}  // namespace

TsiUnixName::TsiUnixName(Fd directory, std::string name) : directory_(std::move(directory)), name_(std::move(name)) {
  struct stat status{};
  if (::fstatat(directory_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) directory_.reset();
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

TsiUnixName& TsiUnixName::operator=(TsiUnixName&& other) noexcept {
  remove();
  directory_ = std::move(other.directory_);
  name_ = std::move(other.name_);
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

void TsiUnixName::remove() {
  if (!directory_) return;
  struct stat status{};
  bool is_ours = ::fstatat(directory_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                 status.st_dev == device_ && status.st_ino == inode_;
  if (is_ours) ::unlinkat(directory_.get(), name_.c_str(), 0);
  directory_.reset();
}

Result<TsiUnixPlace> find_unix_socket(std::span<const TsiDirectory> directories, const TsiAddress& address) {
  TsiUnixPlace place;
  if (address.is_abstract()) {
    bool is_whole_host = false;
    for (const TsiDirectory& directory : directories) is_whole_host = is_whole_host || directory.path == "/";
    if (!is_whole_host) return refused(EACCES);
    std::memcpy(&place.address, address.get(), address.size());
    place.size = address.size();
    return place;
  }
  Found found = TRY(find_directory(directories, address.path()));
  place.fd = TRY(open_beneath(*found.directory, found.rest, 0));
  if (!is_socket(place.fd)) return refused(ECONNREFUSED);
  place.address = address_of(place.fd);
  place.size = sizeof place.address;
  return place;
}

Result<TsiUnixName> bind_unix_socket(std::span<const TsiDirectory> directories, const TsiAddress& address, int socket,
                                     int type) {
  Found found = TRY(find_directory(directories, address.path()));
  size_t slash = found.rest.rfind('/');
  std::string name = slash == std::string::npos ? found.rest : found.rest.substr(slash + 1);
  std::string parent = slash == std::string::npos ? "." : found.rest.substr(0, slash);
  if (name.empty() || name == "." || name == "..") return refused(EINVAL);
  Fd directory = TRY(open_beneath(*found.directory, parent, O_DIRECTORY));
  sockaddr_un place = address_of(directory, name);
  if (place.sun_path[sizeof place.sun_path - 2] != '\0') return refused(ENAMETOOLONG);
  int error = bind_to(socket, place);
  if (error == EADDRINUSE) {
    Fd there(::openat(directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!there || !is_socket(there) || is_served(address_of(there), type)) return refused(EADDRINUSE);
    if (::unlinkat(directory.get(), name.c_str(), 0) < 0) return refused(EADDRINUSE);
    error = bind_to(socket, place);
  }
  if (error != 0) return refused(error);
  return TsiUnixName(std::move(directory), std::move(name));
}

}  // namespace cloche::vsock
