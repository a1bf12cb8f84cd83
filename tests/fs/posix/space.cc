// fallocate(2), holes, copy_file_range(2), statfs(2).
#include "checks.h"

#include <linux/falloc.h>
#include <sys/statvfs.h>

namespace cloche::posix {
namespace {

void allocate(Checks& check) {
  File file("file", O_CREAT | O_RDWR);
  check.ok("allocate", err(::fallocate(file.fd(), 0, 0, 1 << 20)));
  check.equal("size", status("file").st_size, 1 << 20);
  check.yes("space", status("file").st_blocks >= 2048);
  check.ok("keep size", err(::fallocate(file.fd(), FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20)));
  check.equal("size kept", status("file").st_size, 1 << 20);
  check.is("nothing", err(::fallocate(file.fd(), 0, 0, 0)), EINVAL);
  check.is("negative", err(::fallocate(file.fd(), 0, -1, 5)), EINVAL);
  check.is("a reader", err(::fallocate(File("file", O_RDONLY).fd(), 0, 0, 5)), EBADF);
  Moment before("file");
  check.ok("more", err(::fallocate(file.fd(), 0, 1 << 20, 4096)));
  check.text("times", before.changed(), "mtime ctime");
}

void punch(Checks& check) {
  File file("file", O_CREAT | O_RDWR);
  std::string data(64 << 10, 'd');
  ::pwrite(file.fd(), data.data(), data.size(), 0);
  constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  check.ok("punch", err(::fallocate(file.fd(), kPunch, 8192, 16384)));
  check.equal("size", status("file").st_size, 64 << 10);
  std::string expected = data;
  expected.replace(8192, 16384, 16384, '\0');
  check.yes("zeros there", contents("file") == expected);
  check.ok("parts of blocks", err(::fallocate(file.fd(), kPunch, 100, 50)));
  expected.replace(100, 50, 50, '\0');
  check.yes("zeros there", contents("file") == expected);
  check.is("without keeping the size", err(::fallocate(file.fd(), FALLOC_FL_PUNCH_HOLE, 0, 5)), EOPNOTSUPP);
}

void seek_holes(Checks& check) {
  File file("file", O_CREAT | O_RDWR);
  constexpr off_t kFar = (5L << 30);
  ::pwrite(file.fd(), "start", 5, 0);
  ::pwrite(file.fd(), "far", 3, kFar);
  ::fsync(file.fd());
  check.equal("size", status("file").st_size, kFar + 3);
  check.yes("few blocks", status("file").st_blocks < 1000);
  check.equal("data at the start", ::lseek(file.fd(), 0, SEEK_DATA), 0);
  off_t hole = ::lseek(file.fd(), 0, SEEK_HOLE);
  check.yes("a hole soon", hole >= 5 && hole <= 1 << 20);
  check.equal("data again", ::lseek(file.fd(), hole, SEEK_DATA) / (1 << 20), kFar / (1 << 20));
  check.equal("the end is a hole", ::lseek(file.fd(), kFar + 1, SEEK_HOLE), kFar + 3);
  check.is("beyond", err(::lseek(file.fd(), kFar + 3, SEEK_DATA)), ENXIO);
  check.is("hole beyond", err(::lseek(file.fd(), kFar + 3, SEEK_HOLE)), ENXIO);
  char data[4]{};
  check.equal("read in the hole", ::pread(file.fd(), data, 3, 1L << 32), 3);
  check.equal("zero", data[0] | data[1] | data[2], 0);
  check.equal("read far", ::pread(file.fd(), data, 3, kFar), 3);
  check.text("data", data, "far");
}

void copy_range(Checks& check) {
  put("from", "0123456789");
  put("to", "abcdefghij");
  File from("from", O_RDONLY), to("to", O_RDWR);
  off_t in = 2, out = 5;
  check.equal("copy", ::copy_file_range(from.fd(), &in, to.fd(), &out, 3, 0), 3);
  check.text("data", contents("to"), "abcde234ij");
  check.equal("positions move", in * 100 + out, 508);
  check.equal("to its end", ::copy_file_range(from.fd(), &in, to.fd(), &out, 100, 0), 5);
  check.text("data", contents("to"), "abcde23456789");
  check.equal("at its end", ::copy_file_range(from.fd(), &in, to.fd(), &out, 100, 0), 0);
  check.is("bad flag", err(::copy_file_range(from.fd(), &in, to.fd(), &out, 1, 1)), EINVAL);
  in = 0, out = 2;
  check.is("onto itself", err(::copy_file_range(to.fd(), &in, to.fd(), &out, 5, 0)), EINVAL);
  check.is("to a reader", err(::copy_file_range(to.fd(), &in, from.fd(), &out, 5, 0)), EBADF);
}

void whole(Checks& check) {
  struct statvfs found{};
  check.ok("statvfs", err(::statvfs(".", &found)));
  check.equal("longest name", static_cast<long>(found.f_namemax), 255);
  check.yes("blocks", found.f_blocks > 0 && found.f_bfree <= found.f_blocks && found.f_bavail <= found.f_bfree);
  check.yes("block size", found.f_bsize >= 512 && found.f_frsize >= 512);
}

}  // namespace

std::vector<Case> space_cases() {
  return {{"space_allocate", Needs::kNothing, allocate},
          {"space_punch", Needs::kNothing, punch},
          {"space_seek_holes", Needs::kNothing, seek_holes},
          {"space_copy_range", Needs::kNothing, copy_range},
          {"space_whole", Needs::kNothing, whole}};
}

}  // namespace cloche::posix
