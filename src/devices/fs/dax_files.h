// Which files a guest maps through the DAX window, and what becomes of those that change their length on the host
// meanwhile.
#pragma once

#include "devices/fs/inode.h"

namespace cloche::fs {

struct Session;

// Whether the guest is to use the window for the file: a regular one of the host, on a file system that can map files.
// The guest has no other way to a file that it was told to map, so this must be true for what can be mapped only.
bool is_for_dax(Session& session, Inode& inode, const HostStat& stat);

// Puts memory into the window where files have become shorter than what is mapped of them, as an access there would
// fail. Whether there was any such place.
bool cut_shrunken(Session& session);
// Maps again what cut_shrunken() cut of a file that has this size now. There is a window. Before the guest is told of a
// file's new size, as it does not ask anew for what it believes mapped.
void restore_grown(Session& session, uint64_t node, uint64_t size);
// The same for a file that the guest has changed, by a request whose answer does not tell the size.
void may_have_grown(Session& session, uint64_t node);

}  // namespace cloche::fs
