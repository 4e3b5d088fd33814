/*
 * A sink in C++: records into a file for each day of their time, DIR/2026-01-31.jsonl.
 *
 * The engine is C, so two rules hold at the border. No exception may cross it: every function that the engine calls is
 * noexcept, and `guarded` turns what is thrown into an error. And the instance is the engine's memory, zeroed and
 * filled with the options, so that what needs a constructor lives behind a pointer, from `create` to `destroy`.
 */
#include <churn/plugin.h>
#include <churn/sink.h>
#include <churn/time.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace
{

constexpr std::size_t most_records = 4096;

[[noreturn]] void fail(const std::string &what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

/* An open file with lines that are not in it yet. Closes itself. */
class File
{
  public:
    explicit File(std::string path) : path_(std::move(path))
    {
        fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (fd_ < 0) {
            fail(path_);
        }
    }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    ~File()
    {
        (void)::close(fd_);
    }

    void add(std::string_view line)
    {
        const std::size_t begin = lines_.size();
        lines_.reserve(begin + line.size() + 1); /* throws before anything is added, or not at all */
        lines_.append(line);
        for (std::size_t i = begin; i < lines_.size(); i++) { /* between tokens of JSON alone */
            if (lines_[i] == '\n' || lines_[i] == '\r') {
                lines_[i] = ' ';
            }
        }
        lines_.push_back('\n');
    }

    void flush()
    {
        while (written_ < lines_.size()) {
            const ssize_t n = ::write(fd_, lines_.data() + written_, lines_.size() - written_);
            if (n < 0 && errno != EINTR) {
                fail(path_);
            }
            written_ += n > 0 ? static_cast<std::size_t>(n) : 0;
        }
        if (written_ > 0 && ::fdatasync(fd_) != 0) {
            fail(path_);
        }
        lines_.clear();
        written_ = 0;
    }

  private:
    std::string path_;
    int fd_ = -1;
    std::string lines_;
    std::size_t written_ = 0; /* of lines_, when a flush failed half-way */
};

/* The files of one worker, and the records that are not answered yet. */
class DailyFiles
{
  public:
    explicit DailyFiles(std::string dir) : dir_(std::move(dir))
    {
        ids_.reserve(most_records); /* a record whose line is added is noted without fail */
    }

    [[nodiscard]] bool full() const
    {
        return ids_.size() >= most_records;
    }

    void take(const churn_record &record)
    {
        file_of(record.timestamp_ms).add({record.value.ptr, record.value.len});
        ids_.push_back(record.id);
    }

    /* Afterwards all that was taken is safe. */
    void flush()
    {
        for (auto &[day, file] : files_) {
            file->flush();
        }
        safe_ = ids_.size();
        if (files_.size() > most_open) { /* old days are seldom written again */
            files_.erase(files_.begin(), std::prev(files_.end(), most_open));
        }
    }

    [[nodiscard]] bool needs_flush() const
    {
        return safe_ < ids_.size();
    }

    std::uint32_t answer(churn_done *done, std::uint32_t max)
    {
        std::uint32_t n = 0;
        for (; n < max && answered_ < safe_; n++) {
            done[n] = churn_done{ids_[answered_++], CHURN_OK, 0, nullptr};
        }
        if (answered_ == ids_.size()) {
            ids_.clear();
            safe_ = answered_ = 0;
        }
        return n;
    }

  private:
    static constexpr std::size_t most_open = 16;

    File &file_of(std::int64_t timestamp_ms)
    {
        char time[CHURN_TIME_SIZE];
        churn_time_format(timestamp_ms, time);
        const std::string day(time, sizeof "YYYY-MM-DD" - 1);
        auto &file = files_[day];
        if (!file) {
            file = std::make_unique<File>(dir_ + "/" + day + ".jsonl");
        }
        return *file;
    }

    std::string dir_;
    std::map<std::string, std::unique_ptr<File>> files_;
    std::vector<std::uint64_t> ids_;
    std::size_t safe_ = 0, answered_ = 0; /* of ids_, from its beginning */
};

/* What the engine allocates, zeroes and fills with the options. */
struct Instance {
    const char *dir;
    DailyFiles *files;
};

DailyFiles &files_of(void *self)
{
    return *static_cast<Instance *>(self)->files;
}

/* Runs `work`; what it throws becomes the error of the call. */
template <typename Work> std::int32_t guarded(churn_error *err, Work &&work) noexcept
{
    try {
        work();
        return CHURN_OK;
    } catch (const std::exception &thrown) {
        return churn_fail(err, CHURN_FATAL, "%s", thrown.what());
    } catch (...) {
        return churn_fail(err, CHURN_FATAL, "an exception of an unknown type");
    }
}

std::int32_t create(void *self, const churn_host *, churn_error *err) noexcept
{
    auto *instance = static_cast<Instance *>(self);
    return guarded(err, [&] { instance->files = new DailyFiles(instance->dir); });
}

std::int32_t start(void *self, churn_error *err) noexcept
{
    const char *dir = static_cast<Instance *>(self)->dir;
    if (::mkdir(dir, 0755) != 0 && errno != EEXIST) {
        return churn_fail_option(err, "dir", "%s cannot be made: %s", dir, std::strerror(errno));
    }
    return CHURN_OK;
}

std::int32_t write(void *self, const churn_record *records, std::uint32_t count, std::uint32_t *ret_taken,
                   churn_error *err) noexcept
{
    return guarded(err, [&] {
        for (*ret_taken = 0; *ret_taken < count && !files_of(self).full(); ++*ret_taken) {
            files_of(self).take(records[*ret_taken]);
        }
    });
}

std::int32_t poll(void *self, churn_done *done, std::uint32_t max, std::uint32_t, std::uint32_t *ret_count,
                  churn_error *err) noexcept
{
    *ret_count = 0;
    return guarded(err, [&] {
        if (files_of(self).needs_flush()) {
            files_of(self).flush();
        }
        *ret_count = files_of(self).answer(done, max);
    });
}

void stop(void *, std::int64_t) noexcept
{
}

void destroy(void *self) noexcept
{
    delete static_cast<Instance *>(self)->files; /* closes the files */
}

/* Designated initialisers are C++20; in C++17, g++ takes them all the same, unless it is told to be pedantic. */
const churn_option options[] = {
    {.name = "dir",
     .help = "Folder for the files, one for each day; made where it is missing.",
     .type = CHURN_OPTION_STRING,
     .flags = CHURN_OPTION_REQUIRED,
     .offset = offsetof(Instance, dir)},
};

const churn_sink_ops ops = {
    .size = sizeof(churn_sink_ops),
    .accepts = CHURN_RECORD_EVENT | CHURN_RECORD_TRIGGER | CHURN_RECORD_ALERT | CHURN_RECORD_DEAD_LETTER,
    .create = create,
    .start = start,
    .write = write,
    .poll = poll,
    .stop = stop,
    .destroy = destroy,
};

} // namespace

CHURN_PLUGIN(.kind = CHURN_KIND_SINK, .name = "daily_files", .version = "1.0.0",
             .summary = "Writes records into a file for each day", CHURN_OPTIONS(options, Instance), .ops = &ops);
