// The inodes a guest knows: each is a host file held by an O_PATH descriptor, or a virtual node held in memory.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "devices/fs/host.h"
#include "devices/fs/node.h"
#include "devices/fs/open_paths.h"
#include "devices/fs/options.h"
#include "devices/fs/quota.h"

namespace cloche::fs {

struct Inode;

// What a node in memory consists of.
struct VirtualNode {
  struct Child {
    std::string name;
    Inode* inode;  // None: it was to be found once, and was.
  };
  std::vector<Child> children;  // Of a directory.
  std::string text;             // A symlink's target or a file's contents.
};

// What makes two host files the same one. While a descriptor is held, the host gives the number to no other file.
struct FileKey {
  uint64_t mount = 0;  // The same file in two mounts is two inodes: one of them may be read-only.
  uint64_t device = 0;
  uint64_t number = 0;
  // Of a directory, the host leaf it was found below, as a directory has one parent in the guest. 0 for others: a hard
  // link may stand below any leaf.
  uint32_t leaf = 0;
  bool operator==(const FileKey&) const = default;
};

struct Inode {
  uint64_t id = 0;          // The FUSE node id; never given to another.
  uint64_t lookups = 0;     // How often the guest was told of it and has yet to forget it.
  uint32_t mode = 0;        // The type, which never changes; of a virtual node the permissions as well.
  uint32_t leaf = 0;        // The host leaf it was first found below.
  bool pinned = false;      // Part of the tree the share was made of: never forgotten.
  bool found_once = false;  // Gone from its directory after the first lookup that finds it, and pinned until then.
  // The root of a kernel interface (procfs ...) or a file in it: a mount point to look at, empty and never opened.
  bool sealed = false;
  bool local = false;  // On a file system of this host (FileSystem::kLocal).
  FileKey key;
  // Of pinned ones other than the root, and of those that may be looked for by `name` (open_paths.h).
  Inode* parent = nullptr;
  std::shared_ptr<VirtualNode> contents;  // Of virtual ones; their handles have it too.
  // Of a host directory: what lies on top of its own entries, in memory (injection.cc).
  std::vector<VirtualNode::Child> injected;

  // For OpenPaths, and nobody else. None: the inode is virtual or gave its descriptor up.
  Fd path;
  std::list<Inode*>::iterator place;
  bool listed = false;            // `place` is valid.
  std::vector<std::byte> handle;  // Once it was asked for.
  std::string name;               // Empty: cannot be looked for by name.
  size_t children = 0;            // Inodes whose parent it is: it is known as long as they are.
  statx_timestamp birth{};

  bool is_same_file(const HostStat& stat) const;
  FileId file_id() const { return {key.device, key.number}; }
  // The entry in memory of that name; null: there is none.
  const VirtualNode::Child* named(std::string_view name) const;
  std::vector<VirtualNode::Child>& entries() { return is_virtual() ? contents->children : injected; }
  // Some entry is to be found once, or was.
  bool loses_entries();
  bool is_virtual() const { return contents != nullptr; }
  bool is_directory() const { return S_ISDIR(mode); }
  bool is_regular() const { return S_ISREG(mode); }
};

class InodeTable {
 public:
  static constexpr uint64_t kRootId = 1;  // FUSE_ROOT_ID.
  // Each costs about 400 bytes, and a guest makes us hold as many as it likes. (Fewer of them hold a descriptor.)
  static constexpr size_t kMaxInodes = 1 << 20;

  // The tree's nodes, pinned. Names must be components, unique in their directory; host nodes regular files or
  // directories.
  static Result<InodeTable> create(Node root, size_t most_paths);

  // Lays a file or directory over the tree.
  Result<void> inject(Injection injection);
  bool injects() const { return injects_; }
  // A host file or directory that is itself part of the tree.
  bool is_leaf(const Inode& inode) const { return inode.leaf > 0 && leaves_[inode.leaf - 1] == &inode; }
  // The guest was told of a name: an entry that is to be found once goes.
  void found(uint64_t directory, std::string_view name);

  Inode* find(uint64_t id);
  // The inode of a host file found beneath `parent`: the one already known, or a new one. Its lookups are not counted
  // here: a new one the caller does not count (or forget(id, 0)) stays until clear().
  Outcome<Inode*> intern(Fd path, const HostStat& stat, Inode& parent, const char* name);
  // The descriptor of a host inode (OpenPaths::open).
  Outcome<const Fd*> path(Inode& inode) { return paths_.open(inode); }
  // Before `name` is removed, moved or replaced: the inode known by it, if there is one and names matter. It keeps its
  // file from then on, until it gets another name.
  Outcome<Inode*> take_name(Inode& parent, const char* name);
  void give_name(Inode& inode, Inode& parent, const char* name);
  // The inode already known of such a file; null: none is.
  Inode* known(const HostStat& stat, const Inode& parent);
  // Takes `count` lookups away; at none left the inode goes. A guest that gives back more than it got gets no more for
  // it.
  void forget(uint64_t id, uint64_t count);
  // Forgets everything but the pinned.
  void clear();
  size_t size() const { return by_id_.size(); }
  size_t paths() const { return paths_.size(); }
  bool full() const { return by_id_.size() >= kMaxInodes; }
  template <typename Visit>
  void for_each_host_leaf(Visit visit) const {
    for (Inode* leaf : leaves_) visit(*leaf);
  }

  // The number the guest sees for a file: the host's, with the device mixed in where a share spans several, as the
  // guest sees one device and tells hard links by number alone.
  uint64_t shown_number(uint64_t device, uint64_t number);
  static uint64_t shown_number(const Inode& virtual_inode) { return virtual_inode.id | kVirtualDevice << kDeviceShift; }

 private:
  static constexpr int kDeviceShift = 48;  // Inode numbers in use stay below it.
  static constexpr uint64_t kVirtualDevice = 0xffff;
  struct KeyHash {
    size_t operator()(const FileKey& key) const;
  };

  explicit InodeTable(size_t most_paths) : paths_(most_paths) {}
  Result<Inode*> pin(Node node, Inode* parent, int depth);
  Result<void> pin_host(Inode& inode, Fd path);
  Result<Inode*> descend(Inode& parent, const std::string& name);
  Result<void> pin_children(Inode& inode, Node node, int depth);
  Inode& add(uint32_t mode);
  void enter_mount(Inode& inode);
  void drop_unused(Inode* inode);

  std::unordered_map<uint64_t, std::unique_ptr<Inode>> by_id_;
  std::unordered_map<FileKey, Inode*, KeyHash> by_key_;
  std::unordered_map<uint64_t, uint64_t> devices_;  // st_dev -> its place in shown numbers.
  std::vector<Inode*> leaves_;
  OpenPaths paths_;
  bool injects_ = false;
  uint64_t next_id_ = kRootId;
};

// One device number from what statx reports.
inline uint64_t device_of(const HostStat& stat) { return uint64_t{stat.stx_dev_major} << 32 | stat.stx_dev_minor; }

}  // namespace cloche::fs
