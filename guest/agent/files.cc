#include "guest/agent/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "guest/agent/data.h"
#include "guest/init/failure.h"

namespace cloche::agent {
namespace {

using init::failed;
using wire::AgentFrame;

constexpr size_t kListBytes = 1 << 20;  // Of a kListIs, about.
constexpr unsigned kPermissions = 07777;

Result<void> answer(Peer& peer, const Error& error) { return peer.send_error(error.sys_errno, error.what); }

Result<Fd> open_to_read(const wire::FileRange& range) {
  // Without waiting for the other end of a FIFO, which is refused next.
  Fd file(::open(range.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) < 0) return failed("open " + range.path);
  if (S_ISDIR(status.st_mode)) return failed("read " + range.path, EISDIR);
  if (!S_ISREG(status.st_mode)) return failed("read " + range.path + ": not a regular file", EINVAL);
  if (range.offset > INT64_MAX) return failed("read " + range.path, EINVAL);
  return file;
}

// The last component of a path that a file will have: through symbolic links to where they lead.
Result<std::string> place_of(const std::string& path) {
  auto release = [](char* each) { std::free(each); };
  std::unique_ptr<char, decltype(release)> real(::realpath(path.c_str(), nullptr), release);
  if (real) return std::string(real.get());
  if (errno != ENOENT) return failed("write " + path);
  return path;
}

// What is written, until it is in its place.
struct Draft {
  Fd file;
  std::string path;  // Of a file beside the one to be replaced; empty where that itself is written.
  std::string final_path;
};

Result<Draft> begin_draft(const wire::WriteFile& request) {
  Draft draft;
  draft.final_path = TRY(place_of(request.path));
  struct stat status{};
  if (::stat(draft.final_path.c_str(), &status) == 0) {
    if (request.write == wire::WriteMode::kCreate) return failed("create " + request.path, EEXIST);
    if (S_ISDIR(status.st_mode)) return failed("write " + request.path, EISDIR);
    if (!S_ISREG(status.st_mode)) return failed("write " + request.path + ": not a regular file", EINVAL);
  }
  if (request.write != wire::WriteMode::kReplace) {
    int flags = request.write == wire::WriteMode::kCreate ? O_CREAT | O_EXCL : O_CREAT | O_APPEND;
    draft.file = Fd(::open(draft.final_path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK | flags, 0600));
  } else {
    draft.path = draft.final_path.substr(0, draft.final_path.rfind('/') + 1) + ".cloche-XXXXXX";
    draft.file = Fd(::mkostemp(draft.path.data(), O_CLOEXEC));
  }
  if (!draft.file) return failed("write " + request.path);
  return draft;
}

Result<void> finish_draft(const Draft& draft, const wire::WriteFile& request) {
  bool was_there = request.write == wire::WriteMode::kAppend && ::lseek(draft.file.get(), 0, SEEK_END) > 0;
  if (!was_there && (::fchown(draft.file.get(), request.uid, request.gid) < 0 ||
                     ::fchmod(draft.file.get(), request.mode & kPermissions) < 0))
    return failed("set the owner and mode of " + request.path);
  if (!draft.path.empty() && ::rename(draft.path.c_str(), draft.final_path.c_str()) < 0)
    return failed("write " + request.path);
  return {};
}

wire::FileStatus to_wire(std::string name, const struct stat& status) {
  wire::FileStatus told;
  told.name = std::move(name);
  told.mode = status.st_mode;
  told.uid = status.st_uid;
  told.gid = status.st_gid;
  told.size = static_cast<uint64_t>(status.st_size);
  told.links = status.st_nlink;
  told.inode = status.st_ino;
  if (status.st_mtim.tv_sec >= 0)
    told.modified_ns =
        static_cast<uint64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(status.st_mtim.tv_nsec);
  return told;
}

Result<wire::FileStatus> status_of(int directory, const char* name) {
  struct stat status{};
  if (::fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return failed(name);
  wire::FileStatus told = to_wire(name, status);
  if (S_ISLNK(status.st_mode)) {
    std::array<char, PATH_MAX> target;
    ssize_t size = ::readlinkat(directory, name, target.data(), target.size());
    if (size > 0) told.target.assign(target.data(), static_cast<size_t>(size));
  }
  return told;
}

// Files of an overlay have other device numbers than its directories, so that a mount is known by its own number.
uint64_t mount_of(int directory) {
  struct statx status{};
  return ::statx(directory, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0 ? status.stx_mnt_id : 0;
}

// Removes what is called `name` in `parent`, and all in it, as far as it lies on `mount`; without one, on its own.
// False: errno says why. A descriptor is open for each directory on the way down: deeper than they reach is EMFILE.
bool remove_tree(int parent, const char* name, std::optional<uint64_t> mount) {
  if (::unlinkat(parent, name, 0) == 0) return true;
  if (errno != EISDIR) return false;
  int opened = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  auto close = [](DIR* each) { ::closedir(each); };
  std::unique_ptr<DIR, decltype(close)> directory(opened < 0 ? nullptr : ::fdopendir(opened), close);
  if (!directory) {
    if (opened >= 0) ::close(opened);
    return false;
  }
  uint64_t own = mount_of(opened);
  if (own != mount.value_or(own)) {
    errno = EBUSY;
    return false;
  }
  while (dirent* entry = ::readdir(directory.get())) {
    if (std::string_view each = entry->d_name; each == "." || each == "..") continue;
    if (!remove_tree(opened, entry->d_name, own)) return false;
  }
  return ::unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

}  // namespace

Result<void> read_file(Peer& peer, const wire::FileRange& range) {
  auto file = open_to_read(range);
  if (!file) return answer(peer, file.error());
  std::vector<std::byte> buffer(wire::kMaxDataBytes);
  uint64_t left = range.size;
  auto at = static_cast<off_t>(range.offset);
  while (left > 0) {
    ssize_t got = ::pread(file->get(), buffer.data(), std::min<uint64_t>(buffer.size(), left), at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return answer(peer, failed("read " + range.path).error());
    if (got == 0) break;
    TRY(peer.send(wire::encode_bytes(AgentFrame::kData, std::span(buffer).first(static_cast<size_t>(got)))));
    at += got;
    left -= static_cast<uint64_t>(got);
  }
  TRY(peer.send(wire::encode_bytes(AgentFrame::kData, {})));
  return peer.send(wire::encode_bytes(AgentFrame::kDone, {}));
}

Result<void> write_file(Peer& peer, const wire::WriteFile& request) {
  Result<Draft> draft = begin_draft(request);
  if (!draft) TRY(answer(peer, draft.error()));
  auto taken = take_data(peer, [&](std::span<const std::byte> data) -> Result<void> {
    if (!draft) return {};  // Said already.
    if (Result<void> written = write_full(draft->file.get(), data); !written)
      return failed("write " + request.path, written.error().sys_errno);
    return {};
  });
  if (!draft) return taken ? Result<void>() : std::unexpected(taken.error());
  Result<void> finished = taken && *taken ? finish_draft(*draft, request) : Result<void>();
  bool kept = taken && *taken && finished;
  if (!kept && !draft->path.empty()) ::unlink(draft->path.c_str());
  if (!taken) return std::unexpected(taken.error());
  if (!*taken) return {};  // Said already.
  if (!finished) return answer(peer, finished.error());
  return peer.send(wire::encode_bytes(AgentFrame::kDone, {}));
}

Result<void> tell_status(Peer& peer, const std::string& path) {
  auto status = status_of(AT_FDCWD, path.c_str());
  if (!status) return peer.send_error(status.error().sys_errno, "look at " + path);
  return peer.send(wire::encode(AgentFrame::kStatusIs, *status));
}

Result<void> list_directory(Peer& peer, const std::string& path) {
  auto close = [](DIR* each) { ::closedir(each); };
  std::unique_ptr<DIR, decltype(close)> directory(::opendir(path.c_str()), close);
  if (!directory) return answer(peer, failed("list " + path).error());
  wire::FileList list;
  size_t bytes = 0;
  for (;;) {
    errno = 0;
    dirent* entry = ::readdir(directory.get());
    if (entry == nullptr && errno != 0) return answer(peer, failed("list " + path).error());
    if (entry == nullptr) break;
    if (std::string_view name = entry->d_name; name == "." || name == "..") continue;
    auto status = status_of(::dirfd(directory.get()), entry->d_name);
    if (!status) continue;  // It went meanwhile.
    bytes += sizeof *status + status->name.size() + status->target.size();
    list.entries.push_back(std::move(*status));
    if (bytes < kListBytes) continue;
    TRY(peer.send(wire::encode(AgentFrame::kListIs, list)));
    list.entries.clear();
    bytes = 0;
  }
  if (!list.entries.empty()) TRY(peer.send(wire::encode(AgentFrame::kListIs, list)));
  return peer.send(wire::encode(AgentFrame::kListIs, wire::FileList{}));
}

Result<void> make_directory(const wire::MakeDirectory& request) {
  const std::string& path = request.path;
  if (request.parents)
    for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
      if (::mkdir(path.substr(0, slash).c_str(), 0755) < 0 && errno != EEXIST) return failed("make directory " + path);
  if (::mkdir(path.c_str(), 0700) < 0) {
    int error = errno;
    struct stat status{};
    if (error == EEXIST && request.parents && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return failed("make directory " + path, error);
  }
  if (::chmod(path.c_str(), request.mode & kPermissions) < 0) return failed("make directory " + path);
  return {};
}

Result<void> move(const wire::Move& request) {
  if (::rename(request.from.c_str(), request.to.c_str()) == 0) return {};
  return failed("move " + request.from + " to " + request.to);
}

Result<void> remove(const wire::Remove& request) {
  if (!request.recursive) {
    if (::remove(request.path.c_str()) == 0) return {};
    return failed("remove " + request.path);
  }
  if (remove_tree(AT_FDCWD, request.path.c_str(), std::nullopt)) return {};
  return failed("remove " + request.path);
}

}  // namespace cloche::agent
