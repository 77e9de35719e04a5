function _gallery_optimizer_ask
    set -l line (commandline -cp | string collect)
    test "$line" = "$_gallery_optimizer_line"; and return
    set -g _gallery_optimizer_line $line
    set -g _gallery_optimizer_answers (env _GALLERY_OPTIMIZER_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) \
        COMP_CWORD=(commandline -t) gallery-optimizer)
end

function _gallery_optimizer_words
    _gallery_optimizer_ask
    for answer in $_gallery_optimizer_answers
        set -l parts (string split --max 1 , -- $answer)
        if test "$parts[1]" = plain
            echo $parts[2]
        else if test "$parts[1]" = dir; and not _gallery_optimizer_takes_paths
            __fish_complete_directories $parts[2]
        end
    end
end

function _gallery_optimizer_takes_paths
    _gallery_optimizer_ask
    string match -q 'file,*' -- $_gallery_optimizer_answers; and return
    # Of a path behind ~ or "=" only fish itself knows what it stands for: files are shown, too, where a folder is meant.
    string match -q 'dir,*' -- $_gallery_optimizer_answers; and string match -q -r '^[~-]' -- (commandline -t)
end

complete --command gallery-optimizer --no-files --arguments '(_gallery_optimizer_words)'
complete --command gallery-optimizer --condition _gallery_optimizer_takes_paths --force-files
