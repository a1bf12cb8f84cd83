// read(2), write(2) and their kin: data, positions, appending, several descriptors.
#include "checks.h"

#include <sys/uio.h>
#include <sys/wait.h>

namespace cloche::posix {
namespace {

void positions(Checks& check) {
  File file("file", O_CREAT | O_RDWR);
  char data[16]{};
  check.equal("write", ::write(file.fd(), "0123456789", 10), 10);
  check.equal("at the end", ::read(file.fd(), data, 4), 0);
  check.equal("seek", ::lseek(file.fd(), 3, SEEK_SET), 3);
  check.equal("read", ::read(file.fd(), data, 4), 4);
  check.text("data", std::string(data, 4), "3456");
  check.equal("seek on", ::lseek(file.fd(), -2, SEEK_CUR), 5);
  check.equal("seek from the end", ::lseek(file.fd(), 5, SEEK_END), 15);
  check.equal("write there", ::write(file.fd(), "x", 1), 1);
  check.yes("zeros between", contents("file") == std::string("0123456789\0\0\0\0\0x", 16));
  check.is("seek before the start", err(::lseek(file.fd(), -1, SEEK_SET)), EINVAL);
  check.equal("pread", ::pread(file.fd(), data, 16, 8), 8);
  check.equal("pread beyond", ::pread(file.fd(), data, 16, 100), 0);
  check.is("pread before the start", err(::pread(file.fd(), data, 1, -1)), EINVAL);
  check.is("pwrite before the start", err(::pwrite(file.fd(), data, 1, -1)), EINVAL);
  iovec parts[3]{{data, 2}, {data + 5, 0}, {data + 8, 3}};
  check.equal("preadv", ::preadv(file.fd(), parts, 3, 2), 5);
  check.text("scattered", std::string(data, 2) + std::string(data + 8, 3), "23456");
  check.equal("pwritev", ::pwritev(file.fd(), parts, 3, 0), 5);
  check.text("gathered", contents("file").substr(0, 6), "234565");
  void* volatile nowhere = reinterpret_cast<void*>(1);
  check.is("bad address", err(::write(file.fd(), nowhere, 5)), EFAULT);
}

void appending(Checks& check) {
  put("file", "start.");
  File one("file", O_WRONLY | O_APPEND), two("file", O_WRONLY | O_APPEND), plain("file", O_RDWR);
  ::write(one.fd(), "one.", 4);
  ::write(two.fd(), "two.", 4);
  ::write(one.fd(), "three.", 6);
  check.text("both append", contents("file"), "start.one.two.three.");
  iovec part{const_cast<char*>("four."), 5};
  check.equal("RWF_APPEND", ::pwritev2(plain.fd(), &part, 1, 0, RWF_APPEND), 5);
  check.text("at the end", contents("file"), "start.one.two.three.four.");
  put("shared", "");
  for (int process = 0; process < 2; ++process) {
    if (::fork() != 0) continue;
    File file("shared", O_WRONLY | O_APPEND);
    for (int i = 0; i < 100; ++i) [[maybe_unused]]
      ssize_t done = ::write(file.fd(), process ? "aaaa\n" : "bbbb\n", 5);
    ::_exit(0);
  }
  while (::wait(nullptr) > 0) continue;
  std::string all = contents("shared");
  int whole = 0;
  for (size_t at = 0; at + 5 <= all.size(); at += 5) {
    std::string line = all.substr(at, 5);
    whole += line == "aaaa\n" || line == "bbbb\n";
  }
  check.equal("lines of two processes", whole, 200);
}

void several_descriptors(Checks& check) {
  put("file", "");
  File writer("file", O_WRONLY), reader("file", O_RDONLY);
  for (int i = 0; i < 20; ++i) {
    std::string text = "line " + std::to_string(i) + "\n", got(text.size(), ' ');
    check.equal("write", ::write(writer.fd(), text.data(), text.size()), static_cast<long>(text.size()));
    check.equal("read", ::read(reader.fd(), got.data(), got.size()), static_cast<long>(text.size()));
    check.text("data", got, text);
    check.equal("size by name", status("file").st_size, ::lseek(writer.fd(), 0, SEEK_CUR));
  }
  int copy = ::dup(reader.fd());
  check.equal("a copy shares the position", ::lseek(copy, 0, SEEK_CUR), ::lseek(reader.fd(), 0, SEEK_CUR));
  ::close(copy);
}

void large(Checks& check) {
  std::string block(1 << 20, ' ');
  for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 7 + i / 4096);
  File file("file", O_CREAT | O_RDWR);
  for (int i = 0; i < 8; ++i) check.equal("write", ::write(file.fd(), block.data(), block.size()), 1 << 20);
  check.equal("size", status("file").st_size, 8 << 20);
  check.yes("space", status("file").st_blocks >= 8 << 11);
  std::string got(block.size(), ' ');
  for (off_t offset : {0L, 3L, 4095L, (1L << 20) + 1, (7L << 20) - 5}) {
    check.equal("read", ::pread(file.fd(), got.data(), got.size(), offset), 1 << 20);
    size_t shift = static_cast<size_t>(offset) % block.size();
    check.yes("data", got == block.substr(shift) + block.substr(0, shift));
  }
  check.ok("fsync", err(::fsync(file.fd())));
  check.ok("fdatasync", err(::fdatasync(file.fd())));
  check.ok("syncfs", err(::syncfs(file.fd())));
  File directory(".", O_RDONLY | O_DIRECTORY);
  check.ok("fsync of a directory", err(::fsync(directory.fd())));
}

void kinds(Checks& check) {
  ::mkdir("dir", 0755);
  File directory("dir", O_RDONLY);
  char byte;
  check.is("read of a directory", err(::read(directory.fd(), &byte, 1)), EISDIR);
  check.is("write to a directory", err(::write(directory.fd(), "x", 1)), EBADF);
  check.is("truncate of a directory", err(::ftruncate(directory.fd(), 0)), EINVAL);
}

void direct(Checks& check) {
  alignas(4096) static char block[8192];
  for (size_t i = 0; i < sizeof block; ++i) block[i] = static_cast<char>(i % 251);
  File file("file", O_CREAT | O_RDWR | O_DIRECT);
  check.ok("open", file.error());
  check.equal("write", ::pwrite(file.fd(), block, sizeof block, 0), 8192);
  check.yes("seen without it", contents("file") == std::string(block, sizeof block));
  File plain("file", O_RDWR);
  check.equal("write without it", ::pwrite(plain.fd(), "XY", 2, 100), 2);
  check.equal("read", ::pread(file.fd(), block, 4096, 0), 4096);
  check.text("is seen with it", std::string(block + 100, 2), "XY");
}

}  // namespace

std::vector<Case> io_cases() {
  return {{"io_positions", Needs::kNothing, positions},
          {"io_appending", Needs::kNothing, appending},
          {"io_several_descriptors", Needs::kNothing, several_descriptors},
          {"io_large", Needs::kNothing, large},
          {"io_kinds", Needs::kNothing, kinds},
          {"io_direct", Needs::kDirect, direct}};
}

}  // namespace cloche::posix
