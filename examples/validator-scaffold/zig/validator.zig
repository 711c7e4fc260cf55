//! NAME denies containers that set environment variables which its settings forbid.
const std = @import("std");

// Nothing is freed: the host puts memory back after each call.
const memory = std.heap.wasm_allocator;

const Request = struct {
    object: struct {
        spec: struct {
            process: ?struct { env: ?[]const []const u8 = null } = null,
            base64: ?[]const u8 = null, // of a payload that is no JSON
        },
    },
    settings: struct { forbid: []const []const u8 },
};

const Violation = struct { msg: []const u8, field: []const u8, code: []const u8, fix: []const u8 };

const unreadable = [_]Violation{.{
    .msg = "the spec cannot be read",
    .field = "spec",
    .code = "UNREADABLE",
    .fix = "make it an OCI runtime spec",
}};

/// Returns all that is wrong.
fn judge(document: []const u8) ![]const Violation {
    const request = std.json.parseFromSliceLeaky(Request, memory, document, .{ .ignore_unknown_fields = true }) catch
        return &unreadable;
    if (request.object.spec.base64 != null) return &unreadable;
    const process = request.object.spec.process orelse return &.{};
    const env = process.env orelse return &.{};
    var found = std.ArrayList(Violation).init(memory);
    for (env, 0..) |variable, i| {
        const name = variable[0 .. std.mem.indexOfScalar(u8, variable, '=') orelse variable.len];
        if (contains(request.settings.forbid, name)) try found.append(.{
            .msg = try std.fmt.allocPrint(memory, "the variable {s} is forbidden", .{name}),
            .field = try std.fmt.allocPrint(memory, "spec.process.env[{d}]", .{i}),
            .code = "ENV_FORBIDDEN",
            .fix = "start the container without it",
        });
    }
    return found.items;
}

fn contains(list: []const []const u8, name: []const u8) bool {
    for (list) |item| {
        if (std.mem.eql(u8, item, name)) return true;
    }
    return false;
}

// The contract with Plimsoll: JSON in, JSON out.

export fn plimsoll_abi_1() void {}

export fn plimsoll_alloc(n: usize) [*]u8 {
    return (memory.alloc(u8, n) catch @trap()).ptr;
}

export fn plimsoll_validate(ptr: [*]u8, n: usize) u64 {
    // An error is a trap, which denies as well.
    const violations = judge(ptr[0..n]) catch @trap();
    const text = std.json.stringifyAlloc(memory, .{ .violations = violations }, .{}) catch @trap();
    return @as(u64, @intFromPtr(text.ptr)) << 32 | text.len;
}
