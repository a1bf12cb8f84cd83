// open(2): what is made, what is truncated, who may, and every flag's error.
#include "checks.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

namespace cloche::posix {
namespace {

void modes(Checks& check) {
  for (unsigned mask : {0u, 022u, 027u, 077u, 0777u, 0345u}) {
    for (unsigned mode : {0777u, 0666u, 0600u, 0u, 0151u, 04755u, 02755u, 01644u}) {
      ::umask(mask);
      check.ok("create", File("n", O_CREAT | O_EXCL | O_RDWR, mode).error());
      ::umask(022);
      check.text(octal(mode) + " under " + octal(mask), octal(mode_of("n")), octal(mode & ~mask));
      ::unlink("n");
    }
  }
}

void owner(Checks& check) {
  ::mkdir("dir", 0777);
  ::chmod("dir", 0777);
  Identity user{.uid = kUser, .gid = kOther, .groups = {kUser}};
  as(user, [&] { put("dir/a", ""); });
  check.text("user and group", owner_of("dir/a"), "65534:65533");
  ::chown("dir", 0, 777);
  ::chmod("dir", 02777);
  as(user, [&] { check.ok("create", File("dir/b", O_CREAT | O_WRONLY, 02755).error()); });
  check.text("group of a set-group-id directory", owner_of("dir/b"), "65534:777");
  check.text("who is not in it cannot set the bit", octal(mode_of("dir/b")), "0755");
  as(user, [&] { check.ok("mkdir", err(::mkdir("dir/sub", 0755))); });
  check.text("directories inherit both", owner_of("dir/sub") + " " + octal(mode_of("dir/sub")), "65534:777 02755");
  as({.uid = kUser, .gid = 777}, [&] { check.ok("create", File("dir/c", O_CREAT | O_WRONLY, 02755).error()); });
  check.text("who is in it can", octal(mode_of("dir/c")), "02755");
}

void times(Checks& check) {
  Moment directory(".");
  check.ok("create", File("n", O_CREAT | O_WRONLY).error());
  check.text("directory after a create", directory.changed(), "mtime ctime");
  put("n", "data");
  Moment file("n"), again(".");
  check.ok("open", File("n", O_CREAT | O_RDWR).error());
  check.text("file after an open", file.changed(), "none");
  check.text("directory after an open", again.changed(), "none");
  check.ok("truncate", File("n", O_TRUNC | O_WRONLY).error());
  check.text("file after a truncation", file.changed(), "mtime ctime");
  check.equal("its size", status("n").st_size, 0);
  check.text("directory after a truncation", again.changed(), "none");
  check.is("exclusive", File("n", O_CREAT | O_EXCL | O_WRONLY).error(), EEXIST);
  check.text("directory after a refusal", again.changed(), "none");
}

void exclusive(Checks& check) {
  for (Type type : check.types()) {
    make(type, "n");
    check.is(name_of(type), File("n", O_CREAT | O_EXCL | O_RDWR).error(), EEXIST);
    remove_any("n");
  }
}

void kinds(Checks& check) {
  make(Type::kDirectory, "dir");
  make(Type::kFifo, "fifo");
  make(Type::kSocket, "socket");
  put("file", "data");
  ::symlink("file", "link");
  ::symlink("none", "dangling");
  ::symlink("loop", "loop");
  check.is("directory to write", File("dir", O_WRONLY).error(), EISDIR);
  check.is("directory to read and write", File("dir", O_RDWR).error(), EISDIR);
  check.is("directory to truncate", File("dir", O_RDONLY | O_TRUNC).error(), EISDIR);
  check.is("directory to create", File("dir", O_RDONLY | O_CREAT).error(), EISDIR);
  check.ok("directory to read", File("dir", O_RDONLY).error());
  check.is("file as directory", File("file", O_RDONLY | O_DIRECTORY).error(), ENOTDIR);
  check.is("fifo without a reader", File("fifo", O_WRONLY | O_NONBLOCK).error(), ENXIO);
  check.ok("fifo to read", File("fifo", O_RDONLY | O_NONBLOCK).error());
  check.is("socket", File("socket", O_RDONLY).error(), ENXIO);
  check.is("link nofollow", File("link", O_RDONLY | O_NOFOLLOW).error(), ELOOP);
  check.ok("link nofollow as a path", File("link", O_PATH | O_NOFOLLOW).error());
  check.is("link as directory", File("link", O_RDONLY | O_DIRECTORY).error(), ENOTDIR);
  check.is("dangling", File("dangling", O_RDONLY).error(), ENOENT);
  check.is("loop", File("loop", O_RDONLY).error(), ELOOP);
  check.ok("create through a dangling link", File("dangling", O_CREAT | O_WRONLY).error());
  check.yes("made its target", S_ISREG(status("none").st_mode));
  check.is("missing", File("never", O_RDONLY).error(), ENOENT);
  check.is("in a missing directory", File("never/x", O_CREAT | O_RDWR).error(), ENOENT);
  check.is("below a file", File("file/x", O_CREAT | O_RDWR).error(), ENOTDIR);
  check.is("file with a slash", File("file/", O_RDONLY).error(), ENOTDIR);
  check.is("new file with a slash", File("new/", O_CREAT | O_RDWR).error(), EISDIR);
  check.is("256 bytes", File(long_name(256), O_CREAT | O_RDWR).error(), ENAMETOOLONG);
  check.is("O_TMPFILE to read", File(".", O_TMPFILE | O_RDONLY).error(), EINVAL);
}

// Whether each class of users may open a file of each mode for each access.
void permissions(Checks& check) {
  put("file", "");
  ::chown("file", kUser, kUser);
  const Identity who[] = {{.uid = kUser, .gid = kUser},
                          {.uid = kOther, .gid = kUser},
                          {.uid = kOther, .gid = kOther},
                          {.uid = kOther, .gid = kOther, .groups = {kUser}}};
  const int shift[] = {6, 3, 0, 3};
  for (unsigned mode = 0; mode < 8; ++mode) {
    for (int each = 0; each < 4; ++each) {
      ::chmod("file", mode << shift[each]);
      as(who[each], [&] {
        std::string what = octal(mode << shift[each]) + " class " + std::to_string(each);
        check.is(what + " read", File("file", O_RDONLY).error(), mode & 4 ? 0 : EACCES);
        check.is(what + " write", File("file", O_WRONLY).error(), mode & 2 ? 0 : EACCES);
        check.is(what + " both", File("file", O_RDWR).error(), (mode & 6) == 6 ? 0 : EACCES);
        check.is(what + " truncate", File("file", O_RDONLY | O_TRUNC).error(), (mode & 6) == 6 ? 0 : EACCES);
      });
    }
  }
  ::mkdir("dir", 0755);
  for (unsigned mode = 0; mode < 8; ++mode) {
    ::chmod("dir", mode);
    as({.uid = kUser}, [&] {
      std::string what = "directory " + octal(mode);
      check.is(what + " create", File("dir/n", O_CREAT | O_WRONLY).error(), (mode & 3) == 3 ? 0 : EACCES);
      check.is(what + " list", File("dir", O_RDONLY | O_DIRECTORY).error(), mode & 4 ? 0 : EACCES);
      check.is(what + " look", err(::access("dir/none", F_OK)), mode & 1 ? ENOENT : EACCES);
    });
    ::unlink("dir/n");
  }
}

void not_its_owner(Checks& check) {
  put("file", "");
  ::chmod("file", 0644);
  as({.uid = kUser}, [&] {
    check.is("O_NOATIME of another's", File("file", O_RDONLY | O_NOATIME).error(), EPERM);
    check.is("create in another's directory", File("new", O_CREAT | O_RDWR).error(), EACCES);
    check.ok("create of one that is there", File("file", O_CREAT | O_RDONLY).error());
  });
  check.text("nothing was made", std::to_string(status("new").st_mode), "0");
}

// One may make a file that one may not open again.
void created_without_permission(Checks& check) {
  ::mkdir("dir", 0777);
  ::chmod("dir", 0777);
  as({.uid = kUser}, [&] {
    File file("dir/n", O_CREAT | O_RDWR, 0);
    check.ok("create 0", file.error());
    check.equal("write", ::write(file.fd(), "abc", 3), 3);
    check.is("again", File("dir/n", O_RDWR).error(), EACCES);
  });
  check.text("contents", contents("dir/n"), "abc");
}

void flags(Checks& check) {
  put("file", "0123456789");
  File append("file", O_WRONLY | O_APPEND);
  ::pwrite(append.fd(), "ab", 2, 0);
  check.text("O_APPEND ignores the offset", contents("file"), "0123456789ab");
  for (int flag : {O_SYNC, O_DSYNC, O_NONBLOCK, O_NOCTTY, O_LARGEFILE}) {
    File file("file", O_RDWR | flag);
    check.ok("flag", file.error());
    check.equal("write", ::pwrite(file.fd(), "X", 1, 1), 1);
  }
  File path("file", O_PATH);
  char byte;
  check.is("read of O_PATH", err(::read(path.fd(), &byte, 1)), EBADF);
  File reader("file", O_RDONLY), writer("file", O_WRONLY);
  check.is("write to a reader", err(::write(reader.fd(), "x", 1)), EBADF);
  check.is("read of a writer", err(::read(writer.fd(), &byte, 1)), EBADF);
}

void busy_program(Checks& check) {
  put("program", contents("/proc/self/exe"));
  ::chmod("program", 0755);
  pid_t child = ::fork();
  if (child == 0) {
    ::dup2(File("/dev/null", O_WRONLY).fd(), STDERR_FILENO);
    ::execl("./program", "program", nullptr);  // Says how it is used and ends.
    ::_exit(99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  check.equal("a program runs from here", WEXITSTATUS(status), 2);
  File writer("program", O_WRONLY);
  child = ::fork();
  if (child == 0) {
    ::execl("./program", "program", nullptr);
    ::_exit(errno == ETXTBSY ? 98 : 99);
  }
  ::waitpid(child, &status, 0);
  check.equal("not while it is written", WEXITSTATUS(status), 98);
}

// Nobody writes to a program while it runs.
void running_program(Checks& check) {
  put("program", contents("/proc/self/exe"));
  ::chmod("program", 0755);
  pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);  // It stops before its first instruction.
    ::execl("./program", "program", nullptr);
    ::_exit(99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  check.yes("it runs", WIFSTOPPED(status));
  for (int flag : {O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_WRONLY | O_TRUNC})
    check.is("open " + octal(static_cast<unsigned>(flag)), File("program", flag).error(), ETXTBSY);
  check.is("truncate", err(::truncate("program", 1)), ETXTBSY);
  check.ok("read", File("program", O_RDONLY).error());
  check.ok("rename", err(::rename("program", "renamed")));
  check.ok("unlink", err(::unlink("renamed")));
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
}

}  // namespace

std::vector<Case> open_cases() {
  return {{"open_modes", Needs::kNothing, modes},
          {"open_owner", Needs::kRoot, owner},
          {"open_times", Needs::kNothing, times},
          {"open_exclusive", Needs::kNothing, exclusive},
          {"open_kinds", Needs::kNothing, kinds},
          {"open_permissions", Needs::kRoot, permissions},
          {"open_not_its_owner", Needs::kRoot, not_its_owner},
          {"open_created_without_permission", Needs::kRoot, created_without_permission},
          {"open_flags", Needs::kNothing, flags},
          {"open_busy_program", Needs::kNothing, busy_program},
          {"open_running_program", Needs::kNothing, running_program}};
}

}  // namespace cloche::posix
