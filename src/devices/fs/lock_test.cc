// GETLK, SETLK, SETLKW with locks on the host's files: between owners in the guest, against host programs, waiting.
#include <sys/file.h>

#include <algorithm>

#include "devices/fs/testing/fuse_client.h"

namespace cloche::fs {
namespace {

constexpr uint64_t kEnd = INT64_MAX;

class LockTest : public testing::Test {
 protected:
  LockTest() {
    shared.dir.write("file", "data");
    node = shared.client.walk("file");
    handle = shared.client.open_handle(node, O_RDWR);
  }
  static fuse_lk_in request(uint64_t owner, uint32_t type, uint64_t start = 0, uint64_t end = kEnd) {
    fuse_lk_in in{};
    in.owner = owner;
    in.lk = {.start = start, .end = end, .type = type, .pid = static_cast<uint32_t>(owner + 100)};
    return in;
  }
  Answer call(uint32_t opcode, fuse_lk_in in) {
    in.fh = handle;
    return shared.client.call(opcode, node, bytes_of(in));
  }
  int set(uint64_t owner, uint32_t type, uint64_t start = 0, uint64_t end = kEnd) {
    return call(FUSE_SETLK, request(owner, type, start, end)).error;
  }
  // Adds a SETLKW that is to wait, and returns its unique number.
  void wait_for(const fuse_lk_in& wanted) {
    fuse_lk_in in = wanted;
    in.fh = handle;
    Bytes bytes = shared.client.request(FUSE_SETLKW, node, bytes_of(in));
    EXPECT_FALSE(shared.client.driver().send(FuseClient::kRequests, bytes, 256)) << "it did not wait";
  }
  // The errors of the waiting requests that were answered since.
  std::vector<int> answered() {
    std::vector<int> errors;
    for (const virtio::FakeReply& reply : shared.client.driver().collect(FuseClient::kRequests)) {
      fuse_out_header header{};
      EXPECT_GE(reply.bytes.size(), sizeof header);
      std::memcpy(&header, reply.bytes.data(), sizeof header);
      errors.push_back(-header.error);
    }
    return errors;
  }
  int flock_on_host(int operation) {
    if (!host) host = open_file(shared.dir.path("file"), O_RDWR).value();
    return ::flock(host.get(), operation | LOCK_NB);
  }

  SharedDir shared{{.tag = "share", .locks = LockScope::kHost}};
  uint64_t node = 0, handle = 0;
  Fd host;
};

TEST_F(LockTest, OwnersExcludeEachOther) {
  EXPECT_EQ(set(1, F_WRLCK, 0, 9), 0);
  EXPECT_EQ(set(2, F_WRLCK, 5, 5), EAGAIN);
  EXPECT_EQ(set(2, F_RDLCK, 9, 20), EAGAIN);
  EXPECT_EQ(set(2, F_WRLCK, 10, kEnd), 0);
  EXPECT_EQ(set(1, F_WRLCK, 0, 10), EAGAIN);
  EXPECT_EQ(set(1, F_UNLCK, 0, 4), 0);
  EXPECT_EQ(set(2, F_RDLCK, 0, 4), 0);
  EXPECT_EQ(set(1, F_RDLCK, 0, 9), 0) << "both read";
}

TEST_F(LockTest, TheConflictIsNamed) {
  ASSERT_EQ(set(1, F_WRLCK, 10, 19), 0);
  auto conflict = call(FUSE_GETLK, request(2, F_RDLCK, 0, kEnd)).as<fuse_lk_out>().lk;
  EXPECT_EQ(conflict.type, static_cast<uint32_t>(F_WRLCK));
  EXPECT_EQ(conflict.start, 10u);
  EXPECT_EQ(conflict.end, 19u);
  EXPECT_EQ(conflict.pid, 101u);
  EXPECT_EQ(call(FUSE_GETLK, request(1, F_RDLCK)).as<fuse_lk_out>().lk.type, static_cast<uint32_t>(F_UNLCK));
  EXPECT_EQ(call(FUSE_GETLK, request(2, F_RDLCK, 0, 9)).as<fuse_lk_out>().lk.type, static_cast<uint32_t>(F_UNLCK));
}

TEST_F(LockTest, AHostProgramsLockCounts) {
  host = open_file(shared.dir.path("file"), O_RDWR).value();
  struct flock lock{};
  lock.l_type = F_WRLCK;
  ASSERT_EQ(::fcntl(host.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(set(1, F_RDLCK), EAGAIN);
  EXPECT_EQ(call(FUSE_GETLK, request(1, F_RDLCK)).as<fuse_lk_out>().lk.pid, 0u);
  lock.l_type = F_UNLCK;
  ASSERT_EQ(::fcntl(host.get(), F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(set(1, F_WRLCK), 0);
  lock.l_type = F_WRLCK;
  EXPECT_EQ(::fcntl(host.get(), F_OFD_SETLK, &lock), -1) << "and the guest's counts there";
}

TEST_F(LockTest, CloseGivesUpTheOwnersLocks) {
  ASSERT_EQ(set(1, F_WRLCK), 0);
  fuse_flush_in flush{};
  flush.fh = handle;
  flush.lock_owner = 2;
  EXPECT_EQ(shared.client.call(FUSE_FLUSH, node, bytes_of(flush)).error, 0);
  EXPECT_EQ(set(2, F_WRLCK), EAGAIN);
  flush.lock_owner = 1;
  EXPECT_EQ(shared.client.call(FUSE_FLUSH, node, bytes_of(flush)).error, 0);
  EXPECT_EQ(set(2, F_WRLCK), 0);
}

TEST_F(LockTest, WhoWaitsGetsItInOrder) {
  ASSERT_EQ(set(1, F_WRLCK), 0);
  wait_for(request(2, F_WRLCK));
  wait_for(request(3, F_RDLCK, 5, 5));
  EXPECT_TRUE(answered().empty());
  ASSERT_EQ(set(1, F_UNLCK), 0);
  EXPECT_EQ(answered(), std::vector{0}) << "the second waits for the first of them now";
  ASSERT_EQ(set(2, F_UNLCK), 0);
  EXPECT_EQ(answered(), std::vector{0});
}

TEST_F(LockTest, WhoWaitsCanBeInterrupted) {
  ASSERT_EQ(set(1, F_WRLCK), 0);
  wait_for(request(2, F_WRLCK));
  Bytes last = shared.client.request(FUSE_INTERRUPT, 0, {});
  uint64_t unique = 0;
  std::memcpy(&unique, last.data() + offsetof(fuse_in_header, unique), sizeof unique);
  Bytes interrupt = shared.client.request(FUSE_INTERRUPT, 0, bytes_of(fuse_interrupt_in{unique - 1}));
  shared.client.driver().send(FuseClient::kHighPriority, interrupt, 64);
  EXPECT_EQ(answered(), std::vector{EINTR});
  ASSERT_EQ(set(1, F_UNLCK), 0);
  EXPECT_EQ(set(3, F_WRLCK), 0) << "the interrupted one got nothing";
}

TEST_F(LockTest, AGuestCannotWaitForMoreThanItsQueueHolds) {
  ASSERT_EQ(set(1, F_WRLCK), 0);
  for (uint64_t owner = 2; owner < 66; ++owner) wait_for(request(owner, F_WRLCK));
  EXPECT_EQ(call(FUSE_SETLKW, request(99, F_WRLCK)).error, ENOLCK);
  shared.client.call(FUSE_DESTROY, 0);
  EXPECT_EQ(answered().size(), 64u) << "none is left waiting for ever";
}

TEST_F(LockTest, FlockIsOfTheOpenFile) {
  uint64_t other = shared.client.open_handle(node, O_RDWR);
  auto flock_in = [&](uint64_t file, uint32_t type) {
    fuse_lk_in in = request(1, type);
    in.fh = file;
    in.lk_flags = FUSE_LK_FLOCK;
    return shared.client.call(FUSE_SETLK, node, bytes_of(in)).error;
  };
  EXPECT_EQ(flock_in(handle, F_WRLCK), 0);
  EXPECT_EQ(flock_in(other, F_RDLCK), EAGAIN);
  EXPECT_EQ(flock_on_host(LOCK_SH), -1);
  EXPECT_EQ(flock_in(handle, F_RDLCK), 0);
  EXPECT_EQ(flock_in(other, F_RDLCK), 0);
  shared.client.release(node, handle);
  shared.client.release(node, other);
  EXPECT_EQ(flock_on_host(LOCK_EX), 0);
}

TEST_F(LockTest, RangesThatAreNoneAreRefused) {
  EXPECT_EQ(set(1, F_WRLCK, 5, 4), EINVAL);
  EXPECT_EQ(set(1, F_WRLCK, 0, kEnd + 1), EINVAL);
  EXPECT_EQ(set(1, 77, 0, 4), EINVAL);
  EXPECT_EQ(set(1, F_UNLCK), 0) << "of one who has none";
  fuse_lk_in in = request(1, F_WRLCK);
  in.lk_flags = 8;
  EXPECT_EQ(call(FUSE_SETLK, in).error, EINVAL);
}

TEST(GuestLocks, AreNotAskedForByDefault) {
  SharedDir shared;
  EXPECT_EQ(shared.client.init().flags & static_cast<uint32_t>(FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS), 0u);
  EXPECT_EQ(shared.client.call(FUSE_SETLK, 1, Bytes(sizeof(fuse_lk_in))).error, ENOSYS);
  EXPECT_EQ(shared.client.call(FUSE_GETLK, 1, Bytes(sizeof(fuse_lk_in))).error, ENOSYS);
}

}  // namespace
}  // namespace cloche::fs
