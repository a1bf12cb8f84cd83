#include "tar/pack.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "tar/header.h"
#include "tar/sparse.h"

namespace cloche::tar {
namespace {

constexpr int kOpen = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// Collects the stream into pieces.
class Output {
 public:
  explicit Output(const Sink& sink) : sink_(sink), piece_(kMostPieceBytes) {}

  Result<void> put(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      auto room = TRY(this->room());
      size_t size = std::min(room.size(), bytes.size());
      std::ranges::copy(bytes.first(size), room.begin());
      filled_ += size;
      bytes = bytes.subspan(size);
    }
    return {};
  }
  Result<void> put_zeros(uint64_t size) {
    while (size > 0) {
      auto room = TRY(this->room());
      room = room.first(std::min<uint64_t>(room.size(), size));
      std::ranges::fill(room, std::byte{0});
      filled_ += room.size();
      size -= room.size();
    }
    return {};
  }
  // Where the next bytes go; never empty. Those that are put there are then taken.
  Result<std::span<std::byte>> room() {
    if (filled_ == piece_.size()) TRY(flush());
    return std::span(piece_).subspan(filled_);
  }
  void take(size_t size) { filled_ += size; }
  Result<void> flush() {
    if (filled_ == 0) return {};
    return sink_(std::span(piece_).first(std::exchange(filled_, 0)));
  }

 private:
  const Sink& sink_;
  std::vector<std::byte> piece_;
  size_t filled_ = 0;
};

struct Place {
  int directory;
  const char* name;
  std::string path;  // In the stream.
};

class Packer {
 public:
  Packer(const Sink& sink, Mounts mounts) : output_(sink), mounts_(mounts) {}

  Result<Packed> pack(int directory, const std::string& name) {
    struct stat status{};
    if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return fail_errno("look at " + name);
    device_ = status.st_dev;
    TRY(add({directory, name.c_str(), name}));
    while (!levels_.empty()) TRY(step());
    TRY(output_.put_zeros(2 * kBlockBytes));
    TRY(output_.flush());
    return std::move(packed_);
  }

 private:
  struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
  };
  struct Level {
    std::unique_ptr<DIR, CloseDirectory> directory;
    std::string path;
  };
  struct Linked {
    std::string path;
    uint64_t more = 0;  // Names that the file has elsewhere.
  };

  Result<void> step();
  Result<void> add(const Place& place);
  Result<void> add_directory(const Place& place);
  Result<void> add_file(const Place& place);
  Result<void> add_other(const Place& place, const struct stat& status);
  Result<void> put_entry(Entry entry, const struct stat& status);
  Result<void> put_data(int fd, const Segment& segment, const std::string& path);
  const Linked* find_link(const struct stat& status);
  void note_change(const std::string& path) {
    if (packed_.changed++ == 0) packed_.first_changed = path;
  }

  Output output_;
  Mounts mounts_;
  dev_t device_ = 0;           // Of the file system that the tree begins in.
  std::vector<Level> levels_;  // Instead of recursion: the depth is the tree's.
  std::map<std::pair<dev_t, ino_t>, Linked> links_;
  Packed packed_;
};

// Packs the next entry of the innermost directory.
Result<void> Packer::step() {
  Level& level = levels_.back();
  errno = 0;
  const dirent* found = ::readdir(level.directory.get());
  if (found == nullptr && errno != 0) return fail_errno("list " + level.path);
  if (found == nullptr) {
    levels_.pop_back();
    return {};
  }
  std::string_view name = found->d_name;
  if (name == "." || name == "..") return {};
  return add({::dirfd(level.directory.get()), found->d_name, fmt::format("{}/{}", level.path, name)});
}

Result<void> Packer::add(const Place& place) {
  if (place.path.size() >= kMostPathBytes) return fail_errno("pack " + place.path, ENAMETOOLONG);
  struct stat status{};
  if (::fstatat(place.directory, place.name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) return {};  // Removed since it was listed.
    return fail_errno("look at " + place.path);
  }
  if (S_ISSOCK(status.st_mode)) {
    ++packed_.sockets;
    return {};
  }
  if (S_ISDIR(status.st_mode)) return add_directory(place);
  if (const Linked* first = find_link(status)) {
    Entry entry{.type = Type::kHardLink, .path = place.path, .target = first->path};
    return put_entry(std::move(entry), status);
  }
  return S_ISREG(status.st_mode) ? add_file(place) : add_other(place, status);
}

Result<void> Packer::add_directory(const Place& place) {
  Fd directory(::openat(place.directory, place.name, kOpen | O_DIRECTORY));
  if (!directory && errno == ENOENT) return {};
  if (!directory) return fail_errno("open " + place.path);
  struct stat status{};
  if (::fstat(directory.get(), &status) < 0) return fail_errno("look at " + place.path);
  TRY(put_entry({.type = Type::kDirectory, .path = place.path}, status));
  if (mounts_ == Mounts::kLeftOut && status.st_dev != device_) return {};
  if (levels_.size() == kMostDepth)
    return fail(ErrorCode::kUnsupported,
                fmt::format("pack {}: more than {} levels of directories", place.path, kMostDepth));
  DIR* listing = ::fdopendir(directory.get());
  if (listing == nullptr) return fail_errno("list " + place.path);
  directory.release();  // The listing's from now on.
  levels_.push_back({std::unique_ptr<DIR, CloseDirectory>(listing), place.path});
  return {};
}

Result<void> Packer::add_file(const Place& place) {
  Fd file(::openat(place.directory, place.name, kOpen));
  if (!file && errno == ENOENT) return {};
  struct stat status{};
  // Looked at again: it may be another one by now, and no file at all.
  bool is_other = !file && (errno == ELOOP || errno == ENXIO);
  if (!is_other && (!file || ::fstat(file.get(), &status) < 0)) return fail_errno("open " + place.path);
  if (is_other || !S_ISREG(status.st_mode)) {
    note_change(place.path);
    return {};
  }
  auto size = static_cast<uint64_t>(status.st_size);
  Entry entry{.path = place.path, .size = size, .segments = find_segments(file.get(), size)};
  std::vector<Segment> segments = entry.segments.value_or(std::vector<Segment>{{0, size}});
  TRY(put_entry(std::move(entry), status));
  uint64_t stored = 0;
  for (const Segment& segment : segments) {
    TRY(put_data(file.get(), segment, place.path));
    stored += segment.size;
  }
  return output_.put_zeros((kBlockBytes - stored % kBlockBytes) % kBlockBytes);
}

// All but directories and files.
Result<void> Packer::add_other(const Place& place, const struct stat& status) {
  Entry entry{.path = place.path};
  if (S_ISLNK(status.st_mode)) {
    entry.type = Type::kSymbolicLink;
    entry.target.resize(kMostPathBytes);
    ssize_t size = ::readlinkat(place.directory, place.name, entry.target.data(), entry.target.size());
    if (size < 0 && (errno == ENOENT || errno == EINVAL)) {
      note_change(place.path);
      return {};
    }
    if (size < 0) return fail_errno("read the link " + place.path);
    entry.target.resize(static_cast<size_t>(size));
  } else if (S_ISFIFO(status.st_mode)) {
    entry.type = Type::kFifo;
  } else {
    entry.type = S_ISCHR(status.st_mode) ? Type::kCharacterDevice : Type::kBlockDevice;
    entry.device = status.st_rdev;
  }
  return put_entry(std::move(entry), status);
}

Result<void> Packer::put_entry(Entry entry, const struct stat& status) {
  entry.mode = status.st_mode & 07777;
  entry.uid = status.st_uid;
  entry.gid = status.st_gid;
  entry.modified = status.st_mtim;
  if (entry.type != Type::kDirectory && entry.type != Type::kHardLink && status.st_nlink > 1)
    links_[{status.st_dev, status.st_ino}] = {entry.path, status.st_nlink - 1};
  std::string head = encode(entry);
  return output_.put(std::as_bytes(std::span(head)));
}

// As many bytes as were announced: zeros for those that are not there any more.
Result<void> Packer::put_data(int fd, const Segment& segment, const std::string& path) {
  uint64_t done = 0;
  while (done < segment.size) {
    auto room = TRY(output_.room());
    room = room.first(std::min<uint64_t>(room.size(), segment.size - done));
    ssize_t got = ::pread(fd, room.data(), room.size(), static_cast<off_t>(segment.offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read " + path);
    if (got == 0) {
      note_change(path);
      return output_.put_zeros(segment.size - done);
    }
    output_.take(static_cast<size_t>(got));
    done += static_cast<uint64_t>(got);
  }
  return {};
}

// The entry that was packed for the same file under another name. Forgotten with the last of its names, so that the
// map does not grow with the tree.
const Packer::Linked* Packer::find_link(const struct stat& status) {
  auto found = links_.find({status.st_dev, status.st_ino});
  if (found == links_.end()) return nullptr;
  if (found->second.more == 0) {  // More names than it had: it is another file, or was linked once more meanwhile.
    links_.erase(found);
    return nullptr;
  }
  --found->second.more;
  return &found->second;
}

}  // namespace

Result<Packed> pack(int directory, const std::string& name, const Sink& sink, Mounts mounts) {
  if (name.empty() || name == ".." || name.contains('/'))
    return fail(ErrorCode::kInvalidArgument, fmt::format("pack \"{}\", which is no name in a directory", name));
  return Packer(sink, mounts).pack(directory, name);
}

}  // namespace cloche::tar
