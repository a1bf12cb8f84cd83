#include "devices/fs/dax_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/fs/session.h"

namespace cloche::fs {
namespace {

constexpr uint64_t kPage = 4096;

// Whether a file of this device can be mapped as the guest will want it: 9p and FUSE file systems know some that
// cannot. Nothing: the file cannot be opened, and tells nothing.
std::optional<bool> try_mapping(Session& session, Inode& inode) {
  bool writable = !session.options.read_only;
  Outcome<Fd> file = session.open_regular(inode, writable ? O_RDWR : O_RDONLY);
  if (!file && writable) {
    writable = false;
    file = session.open_regular(inode, O_RDONLY);
  }
  if (!file) return std::nullopt;
  void* mapped = ::mmap(nullptr, kPage, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file->get(), 0);
  if (mapped == MAP_FAILED) return false;
  ::munmap(mapped, kPage);
  return true;
}

// What cannot be read cannot be mapped, not even to write to it.
bool is_readable(Session& session, Inode& inode, const HostStat& stat) {
  constexpr uint32_t kByAll = 0444;
  if (session.as_root || (stat.stx_mode & kByAll) == kByAll) return true;
  Outcome<const Fd*> path = session.inodes.path(inode);
  return path && ::faccessat((*path)->get(), "", R_OK, AT_EMPTY_PATH | AT_EACCESS) == 0;
}

// How much of a slot a file of this size has, in whole pages.
uint64_t backed_by(uint64_t size, const DaxWindow::Slot& slot) {
  if (size <= slot.source.offset) return 0;
  uint64_t rest = std::min(size - slot.source.offset, DaxWindow::kGranule);
  return (rest + kPage - 1) / kPage * kPage;
}

// Nothing: it cannot be known.
std::optional<uint64_t> size_of(Session& session, uint64_t node) {
  Inode* inode = session.inodes.find(node);
  if (inode == nullptr) return std::nullopt;
  Outcome<const Fd*> path = session.inodes.path(*inode);
  Outcome<HostStat> stat = path ? stat_of(**path) : refuse(path.error().value);
  return stat ? std::optional(stat->stx_size) : std::nullopt;
}

void map_again(Session& session, size_t slot) {
  DaxWindow::Source source = session.window->slots()[slot].source;
  auto map = [&] -> Outcome<void> {
    Inode* inode = TRY(session.inode(source.inode));
    Fd file = TRY(session.open_regular(*inode, source.writable ? O_RDWR : O_RDONLY));
    return session.window->map({slot * DaxWindow::kGranule, DaxWindow::kGranule}, source, file.get());
  };
  Outcome<void> mapped = map();
  if (!mapped)
    session.log.warning("fs {}: a file that has grown again cannot be mapped: {}", session.options.tag,
                        std::strerror(mapped.error().value));
}

}  // namespace

bool is_for_dax(Session& session, Inode& inode, const HostStat& stat) {
  if (!inode.is_regular() || inode.is_virtual() || inode.sealed || !is_readable(session, inode, stat)) return false;
  auto known = session.mappable.find(device_of(stat));
  if (known != session.mappable.end()) return known->second;
  std::optional<bool> mappable = try_mapping(session, inode);
  if (!mappable) return false;
  if (!*mappable)
    session.log.warning("fs {}: files of a file system there cannot be mapped; the guest reads them without DAX",
                        session.options.tag);
  session.mappable[device_of(stat)] = *mappable;
  return *mappable;
}

bool cut_shrunken(Session& session) {
  if (!session.window || !session.window->any_mapped()) return false;
  bool any = false;
  std::span<const DaxWindow::Slot> slots = session.window->slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].source.inode == 0) continue;
    std::optional<uint64_t> size = size_of(session, slots[i].source.inode);
    if (!size) continue;
    uint64_t backed = backed_by(*size, slots[i]);
    if (backed < slots[i].backed && session.window->cut(i, backed)) any = true;
  }
  return any;
}

void restore_grown(Session& session, uint64_t node, uint64_t size) {
  std::span<const DaxWindow::Slot> slots = session.window->slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].source.inode != node || !slots[i].cut()) continue;
    if (backed_by(size, slots[i]) > slots[i].backed) map_again(session, i);
  }
}

void may_have_grown(Session& session, uint64_t node) {
  if (!session.window || !session.window->any_cut()) return;
  if (std::optional<uint64_t> size = size_of(session, node)) restore_grown(session, node, *size);
}

}  // namespace cloche::fs
