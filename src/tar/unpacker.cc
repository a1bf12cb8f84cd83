#include "tar/unpacker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "tar/path.h"

namespace cloche::tar {
namespace {

std::unexpected<Error> refused(std::string what, int sys_errno = 0) {
  return fail(ErrorCode::kInvalidArgument, std::move(what), sys_errno);
}

// Of a stream that has more, directories are settled early: an entry that comes for one of them later still changes its
// time, and fails where its mode forbids it.
constexpr size_t kMostPendingBytes = 16 << 20;

size_t pending_size(const std::string& path, const Entry& entry) {
  return path.size() + entry.path.size() + sizeof entry;
}

std::string_view first_component(std::string_view name) { return name.substr(0, name.find('/')); }

}  // namespace

Unpacker::Unpacker(Fd directory, UnpackOptions options)
    : directory_(std::move(directory)), options_(std::move(options)), reader_(*this) {}

Unpacker::~Unpacker() {
  if (file_) ::unlinkat(parent_.get(), leaf_.c_str(), 0);
}

Result<void> Unpacker::write(std::span<const std::byte> bytes) {
  if (so_far_) so_far_ = reader_.write(bytes);
  return so_far_;
}

Result<void> Unpacker::finish() {
  if (so_far_) so_far_ = reader_.finish();
  if (so_far_) so_far_ = settle_directories("");
  return so_far_;
}

Result<void> Unpacker::begin(const Entry& entry) {
  if (auto made = make(entry); !made) return std::unexpected(std::move(made).error().in("unpack " + entry.path));
  return {};
}

Result<void> Unpacker::data(uint64_t offset, std::span<const std::byte> bytes) {
  if (offset != position_ && ::lseek(file_.get(), static_cast<off_t>(offset), SEEK_SET) < 0)
    return fail_errno("write " + path_);
  if (auto written = write_full(file_.get(), bytes); !written)
    return fail_errno("write " + path_, written.error().sys_errno);
  position_ = offset + bytes.size();
  return {};
}

Result<void> Unpacker::end() {
  if (!file_) return {};
  if (position_ != entry_.size && ::ftruncate(file_.get(), static_cast<off_t>(entry_.size)) < 0)
    return fail_errno("set the size of " + path_);
  if (auto set = set_attributes(file_.get(), entry_); !set) return std::unexpected(std::move(set).error().in(path_));
  file_.reset();
  return {};
}

Result<void> Unpacker::make(const Entry& entry) {
  path_ = TRY(place_of(entry.path));
  is_whole_ = first_component(entry.path) == ".";
  if (path_.empty() && entry.type == Type::kDirectory) return {};
  if (path_.empty()) return refused("it is no directory and would replace the one unpacked into");
  if (pending_bytes_ > kMostPendingBytes) TRY(settle_directories(path_));
  Split parts = split(path_);
  if (!parent_ || parts.parent != parent_path_) parent_ = TRY(open_parent(parts.parent));
  parent_path_ = std::move(parts.parent);
  leaf_ = std::move(parts.leaf);
  switch (entry.type) {
    case Type::kDirectory:
      return make_directory(entry);
    case Type::kFile:
      entry_ = entry;
      return make_file();
    case Type::kHardLink:
      return make_hard_link(entry);
    case Type::kSymbolicLink:
      return make_symbolic_link(entry);
    case Type::kCharacterDevice:
    case Type::kBlockDevice:
    case Type::kFifo:
      return make_node(entry);
  }
  return {};
}

Result<void> Unpacker::make_directory(const Entry& entry) {
  if (::mkdirat(parent_.get(), leaf_.c_str(), 0700) < 0) {
    int error = errno;
    struct stat status{};
    if (error != EEXIST || ::fstatat(parent_.get(), leaf_.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISDIR(status.st_mode))
      return fail_errno("make the directory", error);
    // As a new one: what its owner may not do in it would be in the way. Where it is another's, that is told then.
    if ((status.st_mode & S_IRWXU) != S_IRWXU)
      ::fchmodat(parent_.get(), leaf_.c_str(), (status.st_mode & 07777) | S_IRWXU, AT_SYMLINK_NOFOLLOW);
  }
  if (pending_.insert_or_assign(path_, entry).second) pending_bytes_ += pending_size(path_, entry);
  return {};
}

Result<void> Unpacker::make_file() {
  TRY(clear_the_way());
  file_ = Fd(::openat(parent_.get(), leaf_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file_) return fail_errno("make the file");
  position_ = 0;
  return {};
}

Result<void> Unpacker::make_hard_link(const Entry& entry) {
  std::string target = TRY(place_of(entry.target));
  if (target.empty() || target == path_) return refused("a hard link to the directory unpacked into or to itself");
  Split parts = split(target);
  Fd parent = TRY(open_beneath(parts.parent, O_PATH | O_DIRECTORY));
  struct stat status{};
  if (::fstatat(parent.get(), parts.leaf.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0)
    return refused("look at what it is linked to", errno);
  if (S_ISDIR(status.st_mode)) return refused("a hard link to a directory");
  if (S_ISLNK(status.st_mode)) {  // From here the same text may lead elsewhere.
    std::string text(kMostPathBytes, '\0');
    ssize_t size = ::readlinkat(parent.get(), parts.leaf.c_str(), text.data(), text.size());
    if (size < 0) return fail_errno("read what it is linked to");
    text.resize(static_cast<size_t>(size));
    TRY(check_link(text));
  }
  TRY(clear_the_way());
  if (::linkat(parent.get(), parts.leaf.c_str(), parent_.get(), leaf_.c_str(), 0) < 0) return fail_errno("link");
  return {};
}

Result<void> Unpacker::make_symbolic_link(const Entry& entry) {
  if (entry.target.empty()) return refused("a symbolic link to nothing");
  TRY(check_link(entry.target));
  TRY(clear_the_way());
  if (::symlinkat(entry.target.c_str(), parent_.get(), leaf_.c_str()) < 0) return fail_errno("make the link");
  TRY(set_owner(entry));
  return set_times(entry);
}

Result<void> Unpacker::make_node(const Entry& entry) {
  if (entry.type != Type::kFifo && options_.devices == Devices::kRefused) return refused("it is a device");
  TRY(clear_the_way());
  mode_t type = entry.type == Type::kFifo ? S_IFIFO : entry.type == Type::kBlockDevice ? S_IFBLK : S_IFCHR;
  if (::mknodat(parent_.get(), leaf_.c_str(), type | 0600, entry.device) < 0) return fail_errno("make the node");
  TRY(set_owner(entry));
  if (::fchmodat(parent_.get(), leaf_.c_str(), mode_of(entry), AT_SYMLINK_NOFOLLOW) < 0)
    return fail_errno("set the mode");
  return set_times(entry);
}

Result<std::string> Unpacker::place_of(const std::string& name) {
  std::string clean = TRY(clean_path(name));
  if (options_.name.empty()) return clean;
  std::string_view first = first_component(name);
  if (!top_) top_ = first;
  if (*top_ != first) return refused("it lies outside " + *top_ + ", with which the stream began");
  std::string_view rest = clean;
  if (first != ".") rest.remove_prefix(first.size());
  return clean_path(fmt::format("{}/{}", options_.name, rest));
}

// Of the entry being made.
Result<void> Unpacker::check_link(const std::string& target) const {
  if (options_.links == Links::kAny) return {};
  size_t depth = components_of(path_) - 1;
  size_t top = options_.name.empty() ? (is_whole_ ? 0 : 1) : components_of(clean_path(options_.name).value_or(""));
  if (stays_inside(path_, target, std::min(top, depth))) return {};
  return refused("a symbolic link that leads out of the tree, or may: " + target);
}

Result<Fd> Unpacker::open_beneath(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  long fd;
  do {
    fd = ::syscall(SYS_openat2, directory_.get(), name, &how, sizeof how);
  } while (fd < 0 && errno == EINTR);
  if (fd >= 0) return Fd(static_cast<int>(fd));
  if (errno == ELOOP || errno == ENOTDIR) return refused(path + " is no directory, or leads through a link", errno);
  return fail_errno("open " + path);
}

Result<Fd> Unpacker::open_parent(const std::string& path) const {
  auto parent = open_beneath(path, O_PATH | O_DIRECTORY);
  if (parent || parent.error().sys_errno != ENOENT) return parent;
  TRY(make_parents(path));
  return open_beneath(path, O_PATH | O_DIRECTORY);
}

// Directories that the stream does not have. As all of them are made here, each is reached without following a link.
Result<void> Unpacker::make_parents(const std::string& path) const {
  Fd at = TRY(open_beneath("", O_PATH | O_DIRECTORY));
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string name = path.substr(begin, end - begin);
    bool is_new = ::mkdirat(at.get(), name.c_str(), 0755) == 0;
    if (!is_new && errno != EEXIST) return fail_errno("make directory " + path.substr(0, end));
    if (is_new && options_.owners == Owners::kGiven &&
        ::fchownat(at.get(), name.c_str(), options_.uid, options_.gid, AT_SYMLINK_NOFOLLOW) < 0)
      return fail_errno("set the owner of " + path.substr(0, end));
    Fd next(::openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return refused("open " + path.substr(0, end), errno);
    at = std::move(next);
    begin = end + 1;
  }
  return {};
}

Result<void> Unpacker::clear_the_way() const {
  if (::unlinkat(parent_.get(), leaf_.c_str(), 0) == 0 || errno == ENOENT) return {};
  return fail_errno("replace what is there");
}

// Sets the attributes of those that `path` does not lie in, each after all that lie in it.
Result<void> Unpacker::settle_directories(const std::string& path) {
  for (auto next = pending_.end(); next != pending_.begin();) {
    auto at = std::prev(next);
    if (lies_in(path, at->first)) {
      next = at;
      continue;
    }
    Fd directory = TRY(open_beneath(at->first, O_RDONLY | O_DIRECTORY));
    if (auto set = set_attributes(directory.get(), at->second); !set)
      return std::unexpected(std::move(set).error().in("directory " + at->first));
    pending_bytes_ -= pending_size(at->first, at->second);
    next = pending_.erase(at);
  }
  return {};
}

Result<void> Unpacker::set_attributes(int fd, const Entry& entry) const {
  if (options_.owners == Owners::kKept && ::fchown(fd, entry.uid, entry.gid) < 0) return fail_errno("set the owner");
  if (options_.owners == Owners::kGiven && ::fchown(fd, options_.uid, options_.gid) < 0)
    return fail_errno("set the owner");
  // After the owner: a change of that takes the set-user-ID bit away.
  if (::fchmod(fd, mode_of(entry)) < 0) return fail_errno("set the mode");
  timespec times[2] = {{0, UTIME_OMIT}, entry.modified};
  if (::futimens(fd, times) < 0) return fail_errno("set the time");
  return {};
}

Result<void> Unpacker::set_owner(const Entry& entry) const {
  if (options_.owners == Owners::kCaller) return {};
  bool is_kept = options_.owners == Owners::kKept;
  uid_t uid = is_kept ? entry.uid : options_.uid;
  gid_t gid = is_kept ? entry.gid : options_.gid;
  if (::fchownat(parent_.get(), leaf_.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("set the owner");
  return {};
}

Result<void> Unpacker::set_times(const Entry& entry) const {
  timespec times[2] = {{0, UTIME_OMIT}, entry.modified};
  if (::utimensat(parent_.get(), leaf_.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("set the time");
  return {};
}

uint32_t Unpacker::mode_of(const Entry& entry) const {
  return entry.mode & (options_.owners == Owners::kKept ? 07777 : 01777);
}

}  // namespace cloche::tar
