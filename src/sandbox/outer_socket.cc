#include "sandbox/outer_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <span>

#include "base/private_files.h"

namespace cloche::sandbox {
namespace {

constexpr const char* kNote = "/kelpie.socket";
constexpr size_t kMostNote = 8192;

// The same file, and not another one that has got its number since.
std::optional<std::string> identity_of(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) < 0 || !S_ISSOCK(status.st_mode)) return std::nullopt;
  return fmt::format("{} {} {}.{:09}", status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

// sun_path holds 107 bytes; a longer path is reached by way of its directory's descriptor, which `directory` holds.
Result<sockaddr_un> address_of(const std::string& path, Fd& directory) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string shown = path;
  if (shown.size() >= sizeof address.sun_path) {
    size_t slash = path.rfind('/');
    std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    directory = TRY(open_file(folder, O_PATH | O_DIRECTORY));
    shown = fmt::format("/proc/self/fd/{}/{}", directory.get(), path.substr(slash + 1));
  }
  if (shown.size() >= sizeof address.sun_path) return fail_errno("socket " + path, ENAMETOOLONG);
  shown.copy(address.sun_path, shown.size());
  return address;
}

}  // namespace

Result<Fd> bind_socket(const std::string& path) {
  Fd folder;
  sockaddr_un address = TRY(address_of(path, folder));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // What bind() makes has the socket's own mode: there is no moment in which others could connect.
  if (!socket || ::fchmod(socket.get(), 0600) < 0) return fail_errno("create a socket");
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) {
    if (errno == EADDRINUSE)
      return fail(ErrorCode::kInvalidArgument, "socket " + path + ": something is there", EEXIST);
    return fail_errno("bind socket " + path);
  }
  return socket;
}

Result<Fd> bind_outer_socket(const std::string& path, const std::string& directory) {
  remove_outer_socket(directory);
  Fd socket = TRY(bind_socket(path));
  std::string note = fmt::format("{}\n{}", identity_of(path).value_or(""), path);
  if (auto noted = write_private_file(directory + kNote, std::as_bytes(std::span(note))); !noted) {
    ::unlink(path.c_str());
    return std::unexpected(std::move(noted).error());
  }
  return socket;
}

void remove_outer_socket(const std::string& directory) {
  auto note = read_text_file(directory + kNote, kMostNote);
  size_t end = note ? note->find('\n') : std::string::npos;
  if (end == std::string::npos) return;
  std::string path = note->substr(end + 1);
  if (identity_of(path) == note->substr(0, end)) ::unlink(path.c_str());
  ::unlink((directory + kNote).c_str());
}

Result<Fd> connect_outer_socket(const std::string& path) {
  Fd folder;
  sockaddr_un address = TRY(address_of(path, folder));
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0)
    return fail_errno("connect to socket " + path);
  return socket;
}

}  // namespace cloche::sandbox
