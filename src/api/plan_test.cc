// Every field of a Config: what is taken, and what is refused in words that name it.
#include "api/plan.h"

#include <elf.h>
#include <gmock/gmock.h>

#include <cstring>

#include "api/testing/ordinary_user.h"
#include "api/testing/plan_fixture.h"

namespace cloche {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlanTest : public PlanFixture {
 protected:
  static Config base() { return quiet({.arguments = {"true"}}); }
  // An ELF kernel of `size` bytes whose one segment ends at `end`.
  std::string elf(size_t size, uint64_t end, uint16_t machine = EM_X86_64, uint16_t type = ET_EXEC) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_type = type;
    header.e_machine = machine;
    header.e_phoff = sizeof header;
    header.e_phnum = 1;
    header.e_phentsize = sizeof(Elf64_Phdr);
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_filesz = end;
    std::string text(reinterpret_cast<char*>(&header), sizeof header);
    text.append(reinterpret_cast<char*>(&segment), sizeof segment);
    text.resize(size);
    return fake_.write("kernel", text);
  }
};

TEST_F(PlanTest, TheLeastConfigIsTaken) {
  auto made = plan(base());
  ASSERT_TRUE(made) << made.error().message();
  const wire::Start& start = made->vm.start;
  EXPECT_THAT(start.arguments, ElementsAre("true"));
  EXPECT_THAT(start.environment, ElementsAre("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                             "HOME=/root", "HOSTNAME=cloche"));
  EXPECT_EQ(start.working_directory, "/");
  EXPECT_EQ(made->vm.root, wire::RootKind::kHost);
  EXPECT_FALSE(made->vm.has_input);
  EXPECT_EQ(made->vm.kernel_path, fake_.path("share/cloche/guest-vmlinux"));
}

TEST_F(PlanTest, NoCommand) {
  Config config = base();
  config.arguments = {};
  EXPECT_THAT(why(config), HasSubstr("no command"));
  config.arguments = {""};
  EXPECT_THAT(why(config), HasSubstr("no command"));
}

TEST_F(PlanTest, Memory) {
  for (uint64_t bad : {uint64_t{0}, uint64_t{1}, uint64_t{31}}) {
    Config config = base();
    config.memory_mib = bad;
    EXPECT_THAT(why(config), AllOf(HasSubstr("memory: " + std::to_string(bad)), HasSubstr("too little")));
  }
  Config config = base();
  config.memory_mib = 1ull << 40;
  EXPECT_THAT(why(config), HasSubstr("more than the"));
  config.memory_mib = 32;
  EXPECT_TRUE(plan(config));
}

TEST_F(PlanTest, Cpus) {
  for (uint32_t bad : {0u, 17u, 1000u}) {
    Config config = base();
    config.cpus = bad;
    EXPECT_THAT(why(config), HasSubstr("cpus: " + std::to_string(bad)));
  }
  Config config = base();
  config.cpus = 16;
  auto made = plan(config);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->notes.empty(), ::sysconf(_SC_NPROCESSORS_ONLN) >= 16);
}

TEST_F(PlanTest, Rootfs) {
  Config config = base();
  config.root.source = RootSource::kDirectory;
  EXPECT_THAT(why(config), HasSubstr("rootfs: the path is empty"));
  config.root.path = fake_.path("nowhere");
  EXPECT_THAT(why(config), AllOf(HasSubstr("rootfs"), HasSubstr("nowhere"), HasSubstr("no such")));
  config.root.path = fake_.write("file", "x");
  EXPECT_THAT(why(config), AllOf(HasSubstr("rootfs"), HasSubstr("not a directory")));
  config.root.path = fake_.make_directory("root/");
  auto made = plan(config);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->vm.root_path, fake_.path("root"));
}

TEST_F(PlanTest, WhatThisUserMayNotRead) {
  ASSERT_EQ(::chmod(fake_.directory().c_str(), 0755), 0);
  Config root = base(), share = base(), kernel = base();
  root.root = {.source = RootSource::kDirectory, .path = fake_.make_directory("closed")};
  share.shares = {{fake_.path("closed"), "/data", {}}};
  kernel.kernel_path = elf(4096, 4096);
  ASSERT_EQ(::chmod(fake_.path("closed").c_str(), 0), 0);
  ASSERT_EQ(::chmod(kernel.kernel_path.c_str(), 0), 0);
  as_ordinary_user([&] {
    EXPECT_THAT(why(root), AllOf(HasSubstr("rootfs"), HasSubstr("not readable for this user")));
    EXPECT_THAT(why(share), AllOf(HasSubstr("share"), HasSubstr("not readable for this user")));
    EXPECT_THAT(why(kernel), AllOf(HasSubstr("kernel"), HasSubstr("Permission denied")));
  });
}

TEST_F(PlanTest, SharesThatAreTaken) {
  Config config = base();
  std::string data = fake_.make_directory("data:with colon"), file = fake_.write("single", "x");
  config.shares = {{data, "/data//./x/", Access::kReadOnly}, {file, "/etc/single", Access::kReadWrite}};
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_EQ(made->vm.shares.size(), 2u);
  EXPECT_EQ(made->vm.shares[0].host_path, data);
  EXPECT_TRUE(made->vm.shares[0].read_only);
  EXPECT_FALSE(made->vm.shares[0].is_file);
  EXPECT_TRUE(made->vm.shares[1].is_file);
  EXPECT_EQ(made->vm.start.mounts[0].path, "/data/x");
  EXPECT_EQ(made->vm.start.mounts[0].tag, made->vm.shares[0].tag);
  EXPECT_TRUE(made->vm.start.mounts[1].is_file);
}

TEST_F(PlanTest, ShareOptionsReachTheVmm) {
  Config config = base();
  std::string data = fake_.make_directory("data");
  config.shares = {{.host_path = data,
                    .guest_path = "/data",
                    .cache = ShareCache::kNone,
                    .device_nodes = DeviceNodes::kAllowed,
                    .acls = ShareAcls::kEnforced,
                    .locks = ShareLocks::kHost,
                    .quota_bytes = 5000,
                    .quota_inodes = 0}};
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->vm.shares[0].cache, 0);
  EXPECT_TRUE(made->vm.shares[0].allows_devices);
  EXPECT_TRUE(made->vm.shares[0].enforces_acls);
  EXPECT_TRUE(made->vm.shares[0].locks_on_host);
  EXPECT_EQ(made->vm.shares[0].quota_bytes, 5000u);
  EXPECT_EQ(made->vm.shares[0].quota_inodes, 0u);
  config.shares[0].quota_inodes.reset();
  EXPECT_EQ(plan(config)->vm.shares[0].quota_inodes, wire::VmShare::kNoQuota);
  config.shares[0].quota_inodes = UINT64_MAX;
  EXPECT_THAT(why(config), HasSubstr("more than any host has"));
}

TEST_F(PlanTest, TimeoutsGoWithTheCacheThatHasThem) {
  Config config = base();
  config.shares = {{.host_path = fake_.make_directory("data"), .guest_path = "/data"}};
  EXPECT_EQ(plan(config)->vm.shares[0].timeout_ms, 1000u);
  config.shares[0].timeout = std::chrono::milliseconds(250);
  EXPECT_EQ(plan(config)->vm.shares[0].timeout_ms, 250u);
  config.shares[0].timeout = std::chrono::milliseconds(-1);
  EXPECT_THAT(why(config), HasSubstr("a timeout of -1 ms"));
  config.shares[0].timeout = std::chrono::hours(24 * 365);
  EXPECT_THAT(why(config), HasSubstr("a timeout of"));
  config.shares[0] = {.host_path = config.shares[0].host_path,
                      .guest_path = "/data",
                      .cache = ShareCache::kNone,
                      .timeout = std::chrono::milliseconds(250)};
  EXPECT_THAT(why(config), HasSubstr("cache=auto only"));
}

TEST_F(PlanTest, InjectedFilesReachTheVmm) {
  Config config = base();
  std::string data = fake_.make_directory("data"), file = fake_.write("single", "x");
  config.shares = {{.host_path = data,
                    .guest_path = "/data",
                    .injected = {{.path = "run", .kind = InjectedKind::kDirectory, .mode = 0700},
                                 {.path = "run/key", .contents = "k", .lookups = InjectedLookups::kOne}}}};
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->vm.shares[0].injected,
            (std::vector<wire::VmInjectedFile>{{"run", "", true, false, 0700}, {"run/key", "k", false, true, 0444}}));
  auto why_not = [&](InjectedFile injected) {
    config.shares[0].injected = {std::move(injected)};
    return why(config);
  };
  for (const char* path : {"", "/", "run/", "run/..", "."})
    EXPECT_THAT(why_not({.path = path}), HasSubstr("names no file")) << path;
  EXPECT_THAT(why_not({.path = std::string("a\0b", 3)}), HasSubstr("zero byte"));
  EXPECT_THAT(why_not({.path = std::string(256, 'x')}), HasSubstr("longer than a path"));
  EXPECT_THAT(why_not({.path = "a", .mode = 0100644}), HasSubstr("more than permissions"));
  EXPECT_THAT(why_not({.path = "a", .kind = InjectedKind::kDirectory, .contents = "x"}), HasSubstr("no contents"));
  EXPECT_THAT(why_not({.path = "a", .kind = InjectedKind::kDirectory, .lookups = InjectedLookups::kOne}),
              HasSubstr("only files"));
  config.shares[0].host_path = file;
  EXPECT_THAT(why_not({.path = "a"}), HasSubstr("only a directory"));
}

TEST_F(PlanTest, DaxWindows) {
  Config config = base();
  std::string data = fake_.make_directory("data");
  config.memory_mib = 128;
  config.shares = {{.host_path = data, .guest_path = "/a", .dax_window_mib = 64},
                   {.host_path = data, .guest_path = "/b", .dax_window_mib = 960}};
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->vm.shares[0].dax_window_mib, 64u);
  EXPECT_EQ(made->vm.shares[1].dax_window_mib, 960u);
  config.shares[1].dax_window_mib = 962;
  EXPECT_THAT(why(config), HasSubstr("with 128 MiB of memory 1024 MiB is the most"));
  for (uint32_t wrong : {0u, 1u, 3u}) {
    config.shares[1].dax_window_mib = wrong;
    EXPECT_THAT(why(config), HasSubstr("an even number"));
  }
  config.shares[1] = {.host_path = data, .guest_path = "/b", .quota_bytes = 1, .dax_window_mib = 2};
  EXPECT_THAT(why(config), HasSubstr("a quota do not go together"));
}

TEST_F(PlanTest, IdsAreMappedByRootOnly) {
  Config config = base();
  std::string data = "/usr";  // Anybody may read it.
  config.shares = {{.host_path = data, .guest_path = "/data", .users = {{.guest = 0, .host = 100000, .count = 65536}}}};
  if (::geteuid() == 0) {
    auto made = plan(config);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->vm.shares[0].users, (std::vector<wire::VmIdRange>{{0, 100000, 65536}}));
  }
  as_ordinary_user([&] { EXPECT_THAT(why(config), HasSubstr("only root can map ids")); });
  for (IdRange range : {IdRange{0, 0, 0}, IdRange{UINT32_MAX, 0, 1}, IdRange{0, UINT32_MAX - 5, 6}}) {
    config.shares[0].users = {range};
    EXPECT_THAT(why(config), HasSubstr("are not ids")) << range.guest;
  }
}

TEST_F(PlanTest, SharesThatAreRefused) {
  std::string data = fake_.make_directory("data");
  struct Case {
    Share share;
    const char* reason;
  };
  for (const Case& each :
       {Case{{fake_.path("none"), "/data", {}}, "no such"}, Case{{data, "data", {}}, "must be absolute"},
        Case{{data, "", {}}, "must be absolute"}, Case{{data, "/", {}}, "root is set by"},
        Case{{data, "/a/../b", {}}, "must not contain .."}, Case{{data, "/proc", {}}, "guest's own"},
        Case{{data, "/sys/x", {}}, "guest's own"}, Case{{data, "//dev", {}}, "guest's own"},
        Case{{"", "/data", {}}, "empty"}, Case{{"/dev/null", "/data", {}}, "neither a directory nor a regular file"},
        Case{{data, "/" + std::string(5000, 'x'), {}}, "longer than"}}) {
    Config config = base();
    config.shares = {each.share};
    EXPECT_THAT(why(config), HasSubstr(each.reason)) << each.share.guest_path;
  }
}

TEST_F(PlanTest, TwoSharesInOnePlace) {
  Config config = base();
  std::string data = fake_.make_directory("data");
  config.shares = {{data, "/data", {}}, {data, "/data/", {}}};
  EXPECT_THAT(why(config), HasSubstr("two shares"));
  config.shares[1].guest_path = "/data/inner";
  EXPECT_TRUE(plan(config));
}

TEST_F(PlanTest, TooManyShares) {
  Config config = base();
  std::string data = fake_.make_directory("data");
  for (int i = 0; i < 41; ++i) config.shares.push_back({data, "/data" + std::to_string(i), {}});
  EXPECT_THAT(why(config), HasSubstr("too many"));
  config.shares.pop_back();
  EXPECT_TRUE(plan(config));
}

TEST_F(PlanTest, Disks) {
  Config config = base();
  std::string image = fake_.write("disk.img", std::string(4096, 'x')), other = fake_.write("other.qcow2", "x");
  config.disks = {{.path = image, .sync = DiskSync::kRelaxed, .cache = DiskCache::kNone, .serial = "one"},
                  {.path = other, .access = Access::kReadOnly, .backing_path = image}};
  auto made = plan(config);
  ASSERT_FALSE(made);  // One image is written to and read.
  config.disks[0].access = Access::kReadOnly;
  made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_EQ(made->vm.disks.size(), 2u);
  EXPECT_EQ(made->vm.disks[0].format, 0);
  EXPECT_EQ(made->vm.disks[0].sync, 1);
  EXPECT_TRUE(made->vm.disks[0].direct);
  EXPECT_TRUE(made->vm.disks[0].read_only);
  EXPECT_EQ(made->vm.disks[1].format, 1);
  EXPECT_EQ(made->vm.disks[1].backing_path, std::filesystem::canonical(image));
  EXPECT_FALSE(made->vm.start.has_disks);
  config.disks[1].format = DiskFormat::kVmdk;
  EXPECT_THAT(why(config), HasSubstr("only a qcow2 image can have a backing file"));
}

TEST_F(PlanTest, DisksThatAreNone) {
  std::string image = fake_.write("disk.img", "x"), base_image = fake_.write("base.img", "x");
  struct Case {
    Disk disk;
    const char* reason;
  };
  for (const Case& each : {Case{{.path = ""}, "the path is empty"}, Case{{.path = fake_.path("none")}, "no such file"},
                           Case{{.path = fake_.directory()}, "neither a regular file nor a block device"},
                           Case{{.path = "/dev/null"}, "neither a regular file nor a block device"},
                           Case{{.path = image, .serial = std::string(21, 'x')}, "the serial"},
                           Case{{.path = image, .serial = "a\tb"}, "the serial"},
                           Case{{.path = image, .backing_path = image}, "two disks"},
                           Case{{.path = image, .backing_path = base_image}, "backing file"}}) {
    Config config = base();
    config.disks = {each.disk};
    EXPECT_THAT(why(config), AllOf(HasSubstr("disk"), HasSubstr(each.reason)));
  }
  Config config = base();
  config.disks = {{.path = image}, {.path = image, .access = Access::kReadOnly}};
  EXPECT_THAT(why(config), HasSubstr("two disks"));
  config.disks.assign(27, {.path = image, .access = Access::kReadOnly});
  EXPECT_THAT(why(config), HasSubstr("too many"));
}

TEST_F(PlanTest, ARootOnADisk) {
  Config config = base();
  std::string image = fake_.write("disk.img", "x"), second = fake_.write("second.img", "x");
  config.disks = {{.path = image}, {.path = second}};
  config.root = {.source = RootSource::kDisk,
                 .writes = Writes::kKept,
                 .disk = 1,
                 .file_system = "ext4",
                 .mount_options = "noatime"};
  config.user.uid = 7;
  auto made = plan(config);
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(made->vm.root, wire::RootKind::kDisk);
  EXPECT_EQ(made->vm.start.root_device.path, "/dev/vdb");
  EXPECT_EQ(made->vm.start.root_device.type, "ext4");
  EXPECT_EQ(made->vm.start.root_writes, wire::RootWrites::kKept);
  EXPECT_TRUE(made->vm.start.has_disks);
  EXPECT_EQ(made->vm.start.gid, 7u);  // Nobody looks into the disk.
  config.root.writes = Writes::kPrivate;
  made = plan(config);
  ASSERT_TRUE(made);
  EXPECT_TRUE(made->vm.disks[1].read_only);
  config.root.disk = 2;
  EXPECT_THAT(why(config), AllOf(HasSubstr("root disk"), HasSubstr("number 2")));
  config.root.disk = 0;
  config.root.file_system = "../x";
  EXPECT_THAT(why(config), HasSubstr("no type of a file system"));
  config.root.file_system = "";
  config.root.writes = Writes::kKept;
  config.disks[0].access = Access::kReadOnly;
  EXPECT_THAT(why(config), HasSubstr("cannot be kept"));
  config.root = {.writes = Writes::kKept};
  EXPECT_THAT(why(config), AllOf(HasSubstr("rootfs"), HasSubstr("kept")));
}

TEST_F(PlanTest, WorkingDirectory) {
  Config config = base();
  config.working_directory = "work";
  EXPECT_THAT(why(config), AllOf(HasSubstr("working directory work"), HasSubstr("absolute")));
  config.working_directory = "/work/";
  EXPECT_EQ(plan(config).value().vm.start.working_directory, "/work");
}

TEST_F(PlanTest, Hostname) {
  for (const char* bad : {"", "-a", "a-", "a b", "a..b", "ü", "a.", "a/b"}) {
    Config config = base();
    config.hostname = bad;
    EXPECT_THAT(why(config), HasSubstr("hostname")) << bad;
  }
  Config config = base();
  config.hostname = std::string(65, 'a');
  EXPECT_THAT(why(config), HasSubstr("hostname"));
  config.hostname = "Box-1.example.org";
  EXPECT_TRUE(plan(config));
}

TEST_F(PlanTest, Environment) {
  Config config = base();
  config.environment = {"NAME"};
  EXPECT_THAT(why(config), HasSubstr("environment 'NAME'"));
  config.environment = {"=x"};
  EXPECT_THAT(why(config), HasSubstr("NAME=value"));
  config.environment = {"HOME=/h", "A=1", "A=2", "EMPTY="};
  config.terminal = TerminalSize{};
  config.streams.input = 0;
  auto made = plan(config);
  ASSERT_TRUE(made);
  EXPECT_THAT(made->vm.start.environment,
              AllOf(Contains("HOME=/h"), Contains("A=2"), Contains("EMPTY="), Contains("TERM=xterm")));
  EXPECT_THAT(made->vm.start.environment, ::testing::Not(Contains("A=1")));
}

TEST_F(PlanTest, UserTakesGroupAndHomeFromTheRoot) {
  Config config = base();
  config.root = {.source = RootSource::kDirectory, .path = fake_.make_directory("root")};
  fake_.make_directory("root/etc");
  fake_.write("root/etc/passwd", "root:x:0:0::/root:/bin/sh\nbroken\nann:x:1000:1001::/home/ann:/bin/sh\n");
  config.user.uid = 1000;
  auto made = plan(config);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->vm.start.gid, 1001u);
  EXPECT_THAT(made->vm.start.environment, Contains("HOME=/home/ann"));
  config.user = {.uid = 2000, .gid = {}};
  made = plan(config);
  EXPECT_EQ(made->vm.start.gid, 2000u);
  EXPECT_THAT(made->vm.start.environment, Contains("HOME=/"));
  config.user = {.uid = 1000, .gid = 5};
  EXPECT_EQ(plan(config)->vm.start.gid, 5u);
  config.user = {.uid = UINT32_MAX, .gid = {}};
  EXPECT_THAT(why(config), HasSubstr("user"));
}

TEST_F(PlanTest, AStrangePasswdIsNoPasswd) {
  Config config = base();
  config.root = {.source = RootSource::kDirectory, .path = fake_.make_directory("root")};
  fake_.make_directory("root/etc");
  config.user.uid = 1000;
  ASSERT_EQ(::mkfifo(fake_.path("root/etc/passwd").c_str(), 0644), 0);
  EXPECT_EQ(plan(config).value().vm.start.gid, 1000u);
}

TEST_F(PlanTest, Limits) {
  Config config = base();
  config.limits = {{"nofile", 1024, 2048}, {"core", 0, kUnlimited}};
  auto made = plan(config);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->vm.start.limits[0].resource, 7u);
  EXPECT_EQ(made->vm.start.limits[1].hard, UINT64_MAX);
  config.limits = {{"files", 1, 1}};
  EXPECT_THAT(why(config), AllOf(HasSubstr("limit files"), HasSubstr("nofile")));
  config.limits = {{"nofile", 2, 1}};
  EXPECT_THAT(why(config), HasSubstr("above the hard one"));
  config.limits = {{"nofile", 1, kUnlimited}};
  EXPECT_THAT(why(config), HasSubstr("the most that Linux takes"));
}

TEST_F(PlanTest, Streams) {
  Config config = base();
  config.streams.output = 9999;
  EXPECT_THAT(why(config), AllOf(HasSubstr("output"), HasSubstr("9999")));
  config = base();
  config.input = Input::kCarried;
  EXPECT_THAT(why(config), HasSubstr("there is none"));
}

TEST_F(PlanTest, Timeout) {
  Config config = base();
  config.timeout = std::chrono::milliseconds(0);
  EXPECT_THAT(why(config), HasSubstr("timeout"));
}

TEST_F(PlanTest, Console) {
  Config config = base();
  config.console_path = fake_.path("console.log");
  EXPECT_EQ(plan(config).value().vm.console_path, fake_.path("console.log"));
  config.console_path = fake_.path("none/console.log");
  EXPECT_THAT(why(config), AllOf(HasSubstr("console"), HasSubstr("no such")));
  config.console_path = fake_.directory();
  EXPECT_THAT(why(config), HasSubstr("is a directory"));
  config.console_path = fake_.directory() + "/";
  EXPECT_THAT(why(config), HasSubstr("not the name of a file"));
  EXPECT_FALSE(std::filesystem::exists(fake_.path("console.log")));  // Nothing is created yet.
}

TEST_F(PlanTest, KernelsThatAreNone) {
  Config config = base();
  config.kernel_path = fake_.path("none");
  EXPECT_THAT(why(config), AllOf(HasSubstr("kernel"), HasSubstr("no such file")));
  config.kernel_path = fake_.directory();
  EXPECT_THAT(why(config), HasSubstr("not a regular file"));
  config.kernel_path = fake_.write("kernel", "");
  EXPECT_THAT(why(config), HasSubstr("empty"));
  config.kernel_path = fake_.write("kernel", "#!/bin/sh\necho hello\n");
  EXPECT_THAT(why(config), HasSubstr("text file"));
  config.kernel_path = elf(4096, 4096, EM_AARCH64);
  EXPECT_THAT(why(config), HasSubstr("another architecture"));
  config.kernel_path = elf(30, 30);
  EXPECT_THAT(why(config), HasSubstr("truncated"));
  config.kernel_path = elf(4096, 5000);
  EXPECT_THAT(why(config), HasSubstr("truncated: 4096 of 5000"));
  config.kernel_path = elf(4096, UINT64_MAX);
  EXPECT_THAT(why(config), HasSubstr("truncated"));
  ASSERT_EQ(::mkfifo(fake_.path("fifo").c_str(), 0600), 0);
  config.kernel_path = fake_.path("fifo");
  EXPECT_THAT(why(config), HasSubstr("not a regular file"));
}

TEST_F(PlanTest, KernelsThatAreTaken) {
  Config config = base();
  config.kernel_path = elf(4096, 4096);
  EXPECT_TRUE(plan(config));
  config.kernel_path = elf(4096, 4096, EM_X86_64, ET_DYN);
  EXPECT_TRUE(plan(config));
}

TEST_F(PlanTest, ATruncatedBzImage) {
  std::string image(0x1000, '\0');
  image[0x1fe] = 0x55;
  image[0x1ff] = static_cast<char>(0xaa);
  image.replace(0x202, 4, "HdrS");
  image[0x1f1] = 1;
  image[0x1f5] = 1;  // 256 units of 16 bytes behind two sectors.
  Config config = base();
  config.kernel_path = fake_.write("kernel", image);
  EXPECT_THAT(why(config), HasSubstr("truncated: 4096 of 5120"));
  image.resize(5120);
  config.kernel_path = fake_.write("kernel", image);
  EXPECT_TRUE(plan(config));
}

TEST_F(PlanTest, PartsOfOurOwnThatAreMissing) {
  std::filesystem::remove(fake_.path("share/cloche/cloche-init"));
  EXPECT_THAT(why(base()), AllOf(HasSubstr("cloche-init"), HasSubstr("./dev build")));
  std::filesystem::remove(fake_.path("share/cloche/guest-vmlinux"));
  EXPECT_THAT(why(base()), HasSubstr("guest-vmlinux"));
}

TEST_F(PlanTest, NulCharacters) {
  Config config = base();
  config.arguments = {std::string("a\0b", 3)};
  EXPECT_THAT(why(config), AllOf(HasSubstr("arguments"), HasSubstr("NUL")));
}

}  // namespace
}  // namespace cloche
